# Weir behind an AWS Gateway Load Balancer: load balancer, GENEVE target group, endpoint service and endpoints,
# a group of appliances, their role, and a bucket for event logs.
#
# This module has been parsed and checked, but never applied to a real account: see README.md.

locals {
  tags = merge({ Name = var.name, Application = "weir" }, var.tags)

  stickiness_types = {
    "3_tuple" = "source_ip_dest_ip_proto"
    "2_tuple" = "source_ip_dest_ip"
  }

  weir_config = coalesce(var.weir_config, templatefile("${path.module}/weir.yaml.tftpl", {
    source_cidrs = var.source_cidrs
    ports        = var.inspected_ports
    mode         = var.mode
    workers      = var.workers
    health       = var.health_check
    drain        = var.deregistration_delay
    idle_timeout = var.tcp_idle_timeout
  }))
}

data "aws_region" "current" {}

# --- Load balancer -----------------------------------------------------------------------------------------

resource "aws_lb" "this" {
  name                             = "${var.name}-gwlb"
  load_balancer_type               = "gateway"
  subnets                          = var.subnet_ids
  enable_cross_zone_load_balancing = var.cross_zone
  tags                             = local.tags
}

resource "aws_lb_target_group" "this" {
  name                 = "${var.name}-geneve"
  vpc_id               = var.vpc_id
  target_type          = "instance"
  protocol             = "GENEVE"
  port                 = 6081
  deregistration_delay = var.deregistration_delay
  tags                 = local.tags

  health_check {
    protocol            = var.health_check.protocol
    port                = var.health_check.port
    path                = var.health_check.protocol == "TCP" ? null : "/readyz"
    matcher             = var.health_check.protocol == "TCP" ? null : "200"
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy_threshold
    unhealthy_threshold = var.health_check.unhealthy_threshold
  }

  # Both must be equal. With no_rebalance, flows of a dead target are dropped until they time out.
  target_failover {
    on_deregistration = var.target_failover
    on_unhealthy      = var.target_failover
  }

  # Without this block, AWS uses five fields.
  dynamic "stickiness" {
    for_each = var.stickiness == "5_tuple" ? [] : [local.stickiness_types[var.stickiness]]

    content {
      enabled = true
      type    = stickiness.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn        = aws_lb.this.arn
  tcp_idle_timeout_seconds = var.tcp_idle_timeout
  tags                     = local.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

# --- Endpoint service and endpoints ------------------------------------------------------------------------

resource "aws_vpc_endpoint_service" "this" {
  acceptance_required        = var.acceptance_required
  allowed_principals         = var.allowed_principals
  gateway_load_balancer_arns = [aws_lb.this.arn]
  tags                       = local.tags
}

resource "aws_vpc_endpoint" "this" {
  for_each = var.endpoints

  vpc_id            = each.value.vpc_id
  subnet_ids        = [each.value.subnet_id]
  service_name      = aws_vpc_endpoint_service.this.service_name
  vpc_endpoint_type = aws_vpc_endpoint_service.this.service_type
  auto_accept       = true
  tags              = merge(local.tags, { Name = "${var.name}-${each.key}" })
}

# --- Appliances --------------------------------------------------------------------------------------------

resource "aws_security_group" "this" {
  name        = "${var.name}-appliance"
  description = "Weir appliances: GENEVE and health checks from the load balancer"
  vpc_id      = var.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

# Both directions are open to the same ranges, so that the flows are not tracked: a tracked flow would be
# forgotten by the interface after its own idle time-out, and its packets dropped.
resource "aws_vpc_security_group_ingress_rule" "geneve" {
  for_each = toset(var.source_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "GENEVE from the load balancer"
  cidr_ipv4         = each.value
  ip_protocol       = "udp"
  from_port         = 6081
  to_port           = 6081
  tags              = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "health" {
  for_each = toset(var.source_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "Health checks of the load balancer"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.health_check.port
  to_port           = var.health_check.port
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.this.id
  description       = "Answers to the load balancer, packages, logs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = local.tags
}

resource "aws_launch_template" "this" {
  name_prefix   = "${var.name}-"
  image_id      = var.ami_id
  instance_type = var.instance_type
  key_name      = var.key_name
  ebs_optimized = true
  tags          = local.tags

  vpc_security_group_ids = [aws_security_group.this.id]

  user_data = base64encode(templatefile("${path.module}/cloud-init.yaml.tftpl", {
    weir_config    = local.weir_config
    package_url    = var.package_url
    package_sha256 = var.package_sha256
    log_bucket     = aws_s3_bucket.logs.bucket
    region         = data.aws_region.current.name
  }))

  iam_instance_profile {
    name = aws_iam_instance_profile.this.name
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = var.root_volume_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = local.tags
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_autoscaling_group" "this" {
  name                      = var.name
  min_size                  = var.capacity.min
  desired_capacity          = var.capacity.desired
  max_size                  = var.capacity.max
  vpc_zone_identifier       = var.subnet_ids
  target_group_arns         = [aws_lb_target_group.this.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 180

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # A new appliance first; the old one drains before it ends.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
      instance_warmup        = 120
    }
  }

  dynamic "tag" {
    for_each = local.tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }
}

# --- Role and logs -----------------------------------------------------------------------------------------

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "WriteLogs"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/*"]
  }
}

resource "aws_iam_role" "this" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = local.tags
}

resource "aws_iam_role_policy" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.this.id
  policy      = data.aws_iam_policy_document.this.json
}

# Session Manager instead of SSH.
resource "aws_iam_role_policy_attachment" "ssm" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.this.name
  tags        = local.tags
}

resource "aws_s3_bucket" "logs" {
  bucket_prefix = "${var.name}-events-"
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.log_retention_days
    }
  }
}
