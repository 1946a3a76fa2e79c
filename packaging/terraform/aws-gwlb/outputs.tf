output "load_balancer_arn" {
  description = "The Gateway Load Balancer."
  value       = aws_lb.this.arn
}

output "target_group_arn" {
  description = "The GENEVE target group, for alarms on its health."
  value       = aws_lb_target_group.this.arn
}

output "endpoint_service_name" {
  description = "What endpoints in other VPCs and accounts name."
  value       = aws_vpc_endpoint_service.this.service_name
}

output "endpoint_ids" {
  description = "Endpoints made here, by name: route tables point at these. The digits after vpce-0 are the domain in Weir's records."
  value       = { for name, endpoint in aws_vpc_endpoint.this : name => endpoint.id }
}

output "security_group_id" {
  description = "Of the appliances."
  value       = aws_security_group.this.id
}

output "autoscaling_group_name" {
  description = "Of the appliances."
  value       = aws_autoscaling_group.this.name
}

output "log_bucket" {
  description = "Where event logs go."
  value       = aws_s3_bucket.logs.bucket
}
