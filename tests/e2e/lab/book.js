// As book.py, for Node: writes down every request that it has read to its end. Usage: book.js BOOK PORT
const fs = require('fs');
const http = require('http');

const [book, port] = process.argv.slice(2);
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('error', () => {});
  request.on('end', () => {
    const headers = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      headers.push(request.rawHeaders[i] + ': ' + request.rawHeaders[i + 1]);
    }
    fs.appendFileSync(book, JSON.stringify({
      via: 'node', peer: request.socket.peer, method: request.method,
      target: request.url, headers, body: Buffer.concat(parts).toString('latin1'),
      trailers: request.rawTrailers,
    }) + '\n');
    response.writeHead(200, {'Content-Length': 5});
    response.end('seen\n');
  });
});
server.on('connection', (socket) => {
  socket.peer = (socket.remoteAddress || '').replace('::ffff:', '');  // unknown if it has gone already
});
server.on('clientError', (error, socket) => {
  if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
});
server.keepAliveTimeout = 20000;
server.listen({port: Number(port), host: '::', backlog: 512});
