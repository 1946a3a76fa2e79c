variable "name" {
  description = "Prefix of all names; lower-case letters, digits and hyphens. At most 20 characters, since a load balancer's name has 32."
  type        = string
  default     = "weir"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "The name must begin with a letter and have at most 20 lower-case letters, digits and hyphens."
  }
}

variable "vpc_id" {
  description = "The VPC of the appliances."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the load balancer and the appliances, one for each availability zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "At least one subnet is needed."
  }
}

variable "source_cidrs" {
  description = "Address ranges of those subnets: the load balancer sends from there, and Weir takes GENEVE from nobody else."
  type        = list(string)

  validation {
    condition     = length(var.source_cidrs) > 0
    error_message = "Without a source, Weir takes no packet."
  }
}

variable "ami_id" {
  description = "A Debian 12 image for the instance type's architecture."
  type        = string
}

variable "instance_type" {
  description = "Sizing: see docs/GATEWAY.md. Choose one with enhanced networking (ENA)."
  type        = string
  default     = "c7i.large"
}

variable "key_name" {
  description = "SSH key; null for none. No rule of this module lets SSH in."
  type        = string
  default     = null
}

variable "root_volume_gib" {
  description = "Size of the root volume."
  type        = number
  default     = 20
}

variable "capacity" {
  description = "Numbers of appliances."
  type = object({
    min     = number
    desired = number
    max     = number
  })
  default = {
    min     = 2
    desired = 2
    max     = 4
  }
}

variable "package_url" {
  description = "Where an instance fetches the Debian package of Weir: an s3:// or https:// URL. Its SHA-256 is checked."
  type        = string
}

variable "package_sha256" {
  description = "SHA-256 of that package, in hexadecimal."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits."
  }
}

variable "weir_config" {
  description = "Text of /etc/weir/weir.yaml; null for the one of this module, which detects and blocks nothing."
  type        = string
  default     = null
}

variable "inspected_ports" {
  description = "TCP ports of servers that speak HTTP. Everything else is echoed without inspection. Used where weir_config is null."
  type        = list(number)
  default     = [80]
}

variable "mode" {
  description = "detect or block. Used where weir_config is null."
  type        = string
  default     = "detect"

  validation {
    condition     = contains(["detect", "block"], var.mode)
    error_message = "The mode is detect or block."
  }
}

variable "workers" {
  description = "Workers of Weir: the number of processors. Used where weir_config is null."
  type        = number
  default     = 2
}

variable "health_check" {
  description = "How the load balancer asks whether a target is healthy. Over HTTP(S) it asks for /readyz."
  type = object({
    protocol            = optional(string, "HTTP")
    port                = optional(number, 9080)
    interval            = optional(number, 5)
    timeout             = optional(number, 2)
    healthy_threshold   = optional(number, 2)
    unhealthy_threshold = optional(number, 2)
  })
  default = {}

  validation {
    condition     = contains(["TCP", "HTTP", "HTTPS"], var.health_check.protocol)
    error_message = "The protocol is TCP, HTTP or HTTPS."
  }
}

variable "target_failover" {
  description = "What becomes of flows of a failed or deregistered target: rebalance, or no_rebalance (they are dropped)."
  type        = string
  default     = "rebalance"

  validation {
    condition     = contains(["rebalance", "no_rebalance"], var.target_failover)
    error_message = "Either rebalance or no_rebalance."
  }
}

variable "stickiness" {
  description = "Fields that choose the target: 5_tuple, 3_tuple (source_ip_dest_ip_proto) or 2_tuple (source_ip_dest_ip)."
  type        = string
  default     = "5_tuple"

  validation {
    condition     = contains(["5_tuple", "3_tuple", "2_tuple"], var.stickiness)
    error_message = "5_tuple, 3_tuple or 2_tuple."
  }
}

variable "cross_zone" {
  description = "Whether targets of other zones are used. AWS charges for traffic between zones."
  type        = bool
  default     = true
}

variable "tcp_idle_timeout" {
  description = "Seconds after which the load balancer forgets an idle TCP flow. Weir's timeouts.established must not be less."
  type        = number
  default     = 350

  validation {
    condition     = var.tcp_idle_timeout >= 60 && var.tcp_idle_timeout <= 6000
    error_message = "60 to 6000 seconds."
  }
}

variable "deregistration_delay" {
  description = "Seconds that a target keeps its flows when it is taken out; Weir drains as long."
  type        = number
  default     = 120
}

variable "endpoints" {
  description = "Gateway Load Balancer endpoints to make: a name for each, its VPC and one subnet (an endpoint is zonal)."
  type = map(object({
    vpc_id    = string
    subnet_id = string
  }))
  default = {}
}

variable "allowed_principals" {
  description = "ARNs of other accounts that may make endpoints for the service."
  type        = list(string)
  default     = []
}

variable "acceptance_required" {
  description = "Whether their endpoints must be accepted by hand."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "How long event logs are kept in the bucket."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
