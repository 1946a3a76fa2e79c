// Checks packaging/terraform/aws-gwlb as far as that goes without an account: parses every file with HashiCorp's
// HCL parser (npm package @cdktf/hcl2json), and then holds references, arguments, outputs and templates to each other
// and to the table below, which was written from the provider's documentation.
//
//   node terraform_test.mjs MODULE_DIRECTORY PLACE_FOR_PACKAGES
//
// Exit 77: the parser could not be had.
import {execFileSync} from 'node:child_process';
import {createRequire} from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const [module, place] = process.argv.slice(2);
const parser = '@cdktf/hcl2json@0.21.0';
try {
  if (!fs.existsSync(path.join(place, 'node_modules/@cdktf/hcl2json'))) {
    fs.mkdirSync(place, {recursive: true});
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', place, parser],
                 {stdio: 'pipe', timeout: 120000});
  }
} catch (error) {
  console.log(`skipped: ${parser} could not be installed`);
  process.exit(77);
}
const {parse} = createRequire(path.join(place, 'x.js'))('@cdktf/hcl2json');

// Arguments by resource type: those that are required, then others; blocks are arguments too. "*" in front: a block
// whose content is [required, others] again.
const lifecycle = {lifecycle: [[], ['create_before_destroy', 'ignore_changes']]};
const everywhere = ['for_each', 'count', 'depends_on', 'provider'];
const schema = {
  aws_lb: [[], ['name', 'load_balancer_type', 'subnets', 'enable_cross_zone_load_balancing', 'tags']],
  aws_lb_target_group: [[], ['name', 'vpc_id', 'target_type', 'protocol', 'port', 'deregistration_delay', 'tags'], {
    ...lifecycle,
    health_check: [[], ['protocol', 'port', 'path', 'matcher', 'interval', 'timeout', 'healthy_threshold', 'unhealthy_threshold', 'enabled']],
    target_failover: [['on_deregistration', 'on_unhealthy'], []],
    stickiness: [['type'], ['enabled']],
  }],
  aws_lb_listener: [['load_balancer_arn'], ['tcp_idle_timeout_seconds', 'tags'], {default_action: [['type'], ['target_group_arn']]}],
  aws_vpc_endpoint_service: [['acceptance_required'], ['allowed_principals', 'gateway_load_balancer_arns', 'tags']],
  aws_vpc_endpoint: [['vpc_id'], ['service_name', 'vpc_endpoint_type', 'subnet_ids', 'auto_accept', 'tags']],
  aws_security_group: [[], ['name', 'description', 'vpc_id', 'tags'], lifecycle],
  aws_vpc_security_group_ingress_rule: [['security_group_id', 'ip_protocol'], ['description', 'cidr_ipv4', 'from_port', 'to_port', 'tags']],
  aws_vpc_security_group_egress_rule: [['security_group_id', 'ip_protocol'], ['description', 'cidr_ipv4', 'from_port', 'to_port', 'tags']],
  aws_launch_template: [[], ['name_prefix', 'image_id', 'instance_type', 'key_name', 'ebs_optimized', 'tags', 'vpc_security_group_ids', 'user_data'], {
    ...lifecycle,
    iam_instance_profile: [[], ['name', 'arn']],
    metadata_options: [[], ['http_endpoint', 'http_tokens', 'http_put_response_hop_limit']],
    monitoring: [[], ['enabled']],
    block_device_mappings: [[], ['device_name'], {ebs: [[], ['volume_size', 'volume_type', 'encrypted', 'delete_on_termination']]}],
    tag_specifications: [[], ['resource_type', 'tags']],
  }],
  aws_autoscaling_group: [['min_size', 'max_size'], ['name', 'desired_capacity', 'vpc_zone_identifier', 'target_group_arns', 'health_check_type', 'health_check_grace_period'], {
    launch_template: [[], ['id', 'version']],
    instance_refresh: [['strategy'], [], {preferences: [[], ['min_healthy_percentage', 'max_healthy_percentage', 'instance_warmup']]}],
    tag: [['key', 'value', 'propagate_at_launch'], []],
  }],
  aws_iam_role: [['assume_role_policy'], ['name_prefix', 'tags']],
  aws_iam_role_policy: [['role', 'policy'], ['name_prefix']],
  aws_iam_role_policy_attachment: [['role', 'policy_arn'], []],
  aws_iam_instance_profile: [[], ['name_prefix', 'role', 'tags']],
  aws_s3_bucket: [[], ['bucket_prefix', 'tags']],
  aws_s3_bucket_public_access_block: [['bucket'], ['block_public_acls', 'block_public_policy', 'ignore_public_acls', 'restrict_public_buckets']],
  aws_s3_bucket_server_side_encryption_configuration: [['bucket'], [], {rule: [[], [], {apply_server_side_encryption_by_default: [['sse_algorithm'], []]}]}],
  aws_s3_bucket_lifecycle_configuration: [['bucket'], [], {rule: [['id', 'status'], [], {filter: [[], []], expiration: [[], ['days']]}]}],
};
const dataSchema = {
  aws_region: [[], ['name']],
  aws_iam_policy_document: [[], [], {statement: [[], ['sid', 'actions', 'resources', 'effect'], {principals: [['type', 'identifiers'], []]}]}],
};
// Attributes that others may read.
const attributes = {
  aws_lb: ['arn'], aws_lb_target_group: ['arn'], aws_vpc_endpoint_service: ['service_name', 'service_type'],
  aws_vpc_endpoint: ['id'], aws_security_group: ['id'], aws_launch_template: ['id', 'latest_version'],
  aws_autoscaling_group: ['name'], aws_iam_role: ['id', 'name'], aws_iam_instance_profile: ['name'],
  aws_s3_bucket: ['id', 'arn', 'bucket'],
};

const wrong = [];
const say = text => wrong.push(text);
let checks = 0;

function checkBody(where, body, [required, others, blocks = {}]) {
  const dynamic = body.dynamic ?? {};
  for (const name of required) {
    ++checks;
    if (!(name in body) && !(name in dynamic)) say(`${where}: ${name} is missing`);
  }
  for (const [name, value] of Object.entries(body)) {
    ++checks;
    if (name === 'dynamic' || everywhere.includes(name)) continue;
    if (name in blocks) {
      for (const inner of [].concat(value)) checkBody(`${where}.${name}`, inner, blocks[name]);
    } else if (!required.includes(name) && !others.includes(name)) {
      say(`${where}: there is no argument ${name}`);
    }
  }
  for (const [name, uses] of Object.entries(dynamic)) {
    for (const use of uses) {
      if (!('for_each' in use)) say(`${where}: dynamic ${name} has no for_each`);
      if (!(name in blocks)) say(`${where}: there is no block ${name}`);
      else for (const content of use.content) checkBody(`${where}.${name}`, content, blocks[name]);
    }
  }
}

async function load(directory) {
  const merged = {};
  for (const name of fs.readdirSync(directory).filter(n => n.endsWith('.tf')).sort()) {
    const text = fs.readFileSync(path.join(directory, name), 'utf8');
    const parsed = await parse(name, text);  // throws, with line and column
    ++checks;
    for (const [kind, things] of Object.entries(parsed)) {
      for (const [first, value] of Object.entries(things)) {
        merged[kind] ??= {};
        if (['resource', 'data'].includes(kind)) {
          merged[kind][first] ??= {};
          for (const [second, body] of Object.entries(value)) {
            if (second in merged[kind][first]) say(`${name}: ${first}.${second} is there twice`);
            merged[kind][first][second] = body[0];
          }
        } else {
          merged[kind][first] = Array.isArray(value) ? value[0] : value;
        }
      }
    }
    if (/\t| $/m.test(text)) say(`${name}: tabs or blanks at the end of a line`);
  }
  return merged;
}

function checkReferences(where, tree) {
  const text = JSON.stringify(tree);
  const locals = tree.locals?.[0] ?? tree.locals ?? {};
  const names = {var: Object.keys(tree.variable ?? {}), local: Object.keys(locals), module: Object.keys(tree.module ?? {})};
  const used = new Set();
  for (const [, kind, name] of text.matchAll(/\b(var|local|module)\.([a-z_0-9]+)/g)) {
    ++checks;
    used.add(`${kind}.${name}`);
    if (!names[kind].includes(name)) say(`${where}: ${kind}.${name} is not declared`);
  }
  for (const kind of ['var', 'local']) {
    for (const name of names[kind]) if (!used.has(`${kind}.${name}`)) say(`${where}: ${kind}.${name} is never used`);
  }
  for (const [, type, name, attribute] of text.matchAll(/(?<!data\.)\b(aws_[a-z_0-9]+)\.([a-z_0-9]+)\.?([a-z_]+)?/g)) {
    ++checks;
    if (!tree.resource?.[type]?.[name]) say(`${where}: ${type}.${name} does not exist`);
    else if (attribute && !attributes[type]?.includes(attribute)) say(`${where}: ${type} has no attribute ${attribute}`);
  }
  for (const [, type, name] of text.matchAll(/\bdata\.(aws_[a-z_0-9]+)\.([a-z_0-9]+)/g)) {
    ++checks;
    if (!tree.data?.[type]?.[name]) say(`${where}: data.${type}.${name} does not exist`);
  }
  for (const [name, body] of Object.entries(tree.variable ?? {})) {
    if (!body.description || !body.type) say(`${where}: variable ${name} has no description or type`);
  }
  for (const [name, body] of Object.entries(tree.output ?? {})) {
    if (!body.description || !('value' in body)) say(`${where}: output ${name} has no description or value`);
  }
}

// Names that a template uses are those it is given.
function checkTemplates(directory) {
  const main = fs.readFileSync(path.join(directory, 'main.tf'), 'utf8');
  for (const [, name, given] of main.matchAll(/templatefile\("\$\{path\.module\}\/([^"]+)", \{([^}]+)\}/g)) {
    const file = path.join(directory, name);
    if (!fs.existsSync(file)) { say(`${name} does not exist`); continue; }
    const text = fs.readFileSync(file, 'utf8');
    const passed = [...given.matchAll(/^\s*([a-z_0-9]+)\s*=/gm)].map(m => m[1]);
    const loops = [...text.matchAll(/%\{ for ([a-z_]+) in /g)].map(m => m[1]);
    const inside = [...text.matchAll(/[$%]\{~?([^}]*)\}/g)].map(m => m[1].replace(/"[^"]*"/g, ''));
    const functions = ['join', 'base64encode', 'for', 'in', 'endfor', 'if', 'endif', 'else'];
    for (const word of inside.join(' ').matchAll(/(?<![.\w])([a-z_][a-z_0-9]*)/g)) {
      ++checks;
      if (![...passed, ...loops, ...functions].includes(word[1])) say(`${name}: ${word[1]} is not given`);
    }
    for (const word of passed) {
      if (!inside.join(' ').includes(word)) say(`${name}: ${word} is given and not used`);
    }
  }
}

const tree = await load(module);
for (const [type, things] of Object.entries(tree.resource)) {
  for (const [name, body] of Object.entries(things)) {
    if (!schema[type]) say(`${type} is not in the table of this test`);
    else checkBody(`${type}.${name}`, body, schema[type]);
  }
}
for (const [type, things] of Object.entries(tree.data ?? {})) {
  for (const [name, body] of Object.entries(things)) checkBody(`data.${type}.${name}`, body, dataSchema[type]);
}
checkReferences('module', tree);
checkTemplates(module);
for (const example of fs.readdirSync(path.join(module, 'examples'))) {
  const used = await load(path.join(module, 'examples', example));
  checkReferences(example, used);
  const given = used.module.weir;
  for (const name of Object.keys(given)) {
    if (name !== 'source' && !tree.variable[name]) say(`${example}: the module has no variable ${name}`);
  }
  for (const [name, body] of Object.entries(tree.variable)) {
    if (!('default' in body) && !(name in given)) say(`${example}: ${name} is not given`);
  }
}
// What AWS requires and no parser knows.
const group = tree.resource.aws_lb_target_group.this;
if (group.protocol !== 'GENEVE' || group.port !== 6081) say('the target group is not GENEVE on 6081');
if (tree.resource.aws_lb.this.load_balancer_type !== 'gateway') say('the load balancer is no gateway load balancer');
const failover = group.target_failover[0];
if (failover.on_deregistration !== failover.on_unhealthy) say('both kinds of failover must be equal');

// The test must be able to fail: the same checks on a broken module.
const broken = structuredClone(tree);
const before = wrong.length;
broken.resource.aws_lb_listener.this.load_balancer = broken.resource.aws_lb_listener.this.load_balancer_arn;
delete broken.resource.aws_lb_listener.this.load_balancer_arn;
checkBody('broken', broken.resource.aws_lb_listener.this, schema.aws_lb_listener);
broken.resource.aws_lb.this.name = '${var.nobody}-${aws_lb.other.arn}';
checkReferences('broken', broken);
if (wrong.length - before < 4) say('a broken module was not noticed');
else wrong.splice(before, wrong.length - before);

for (const line of wrong) console.log(line);
console.log(wrong.length === 0 ? `${checks} checks, all right` : `${wrong.length} mistakes`);
process.exit(wrong.length === 0 ? 0 : 1);
