<?php
// As book.py, for PHP's own server: what PHP made of a request. The book is named by the environment.
$line = ['via' => 'php', 'peer' => str_replace('::ffff:', '', $_SERVER['REMOTE_ADDR']), 'method' => $_SERVER['REQUEST_METHOD'],
         'target' => $_SERVER['REQUEST_URI'], 'headers' => [], 'body' => json_encode([$_POST, array_column($_FILES, 'name')])];
file_put_contents(getenv('BOOK'), json_encode($line, JSON_INVALID_UTF8_SUBSTITUTE) . "\n", FILE_APPEND | LOCK_EX);
header('Content-Length: 5');
echo "seen\n";
