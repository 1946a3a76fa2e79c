# Weir in front of one VPC's servers: appliances in a security VPC, an endpoint in the application's VPC.

variable "security_vpc_id" {
  description = "VPC of the appliances."
  type        = string
}

variable "security_subnet_ids" {
  description = "Its subnets."
  type        = list(string)
}

variable "security_cidr" {
  description = "Its address range."
  type        = string
}

variable "application_vpc_id" {
  description = "VPC of the servers."
  type        = string
}

variable "endpoint_subnet_id" {
  description = "A subnet in it for the endpoint alone."
  type        = string
}

variable "ami_id" {
  description = "A Debian 12 image."
  type        = string
}

module "weir" {
  source = "../.."

  vpc_id         = var.security_vpc_id
  subnet_ids     = var.security_subnet_ids
  source_cidrs   = [var.security_cidr]
  ami_id         = var.ami_id
  package_url    = "s3://example-packages/weir_0.1.0_amd64.deb"
  package_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  mode           = "detect"

  endpoints = {
    application = {
      vpc_id    = var.application_vpc_id
      subnet_id = var.endpoint_subnet_id
    }
  }
}

output "endpoint_ids" {
  description = "For the route tables of the application's VPC: of its internet gateway (towards the servers) and of the servers' subnets."
  value       = module.weir.endpoint_ids
}
