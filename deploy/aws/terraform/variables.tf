variable "name" {
  description = "Name of the queue, and beginning of all other names."
  type        = string
  default     = "penstock"
}

variable "vpc_id" {
  description = "Network of the jobs; the default VPC will do."
  type        = string
}

variable "subnets" {
  description = "Subnets of it with a way to the internet, or with endpoints for S3, ECR and CloudWatch Logs."
  type        = list(string)
}

variable "platform" {
  description = "FARGATE, FARGATE_SPOT, EC2 or SPOT; the last two start instances, which GPUs and host volumes need."
  type        = string
  default     = "FARGATE"

  validation {
    condition     = contains(["FARGATE", "FARGATE_SPOT", "EC2", "SPOT"], var.platform)
    error_message = "One of FARGATE, FARGATE_SPOT, EC2, SPOT."
  }
}

variable "max_vcpus" {
  description = "vCPUs of all jobs together."
  type        = number
  default     = 64
}
