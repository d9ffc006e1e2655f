# What penstock needs of an AWS account: a bucket, a job queue with a compute environment, roles, and a policy for
# whoever starts runs. The same as ../cloudformation.yaml.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  instances = contains(["EC2", "SPOT"], var.platform)
  batch     = "arn:${local.partition}:batch:${local.region}:${local.account}"
  policies  = "arn:${local.partition}:iam::aws:policy/service-role"
  roles     = [aws_iam_role.job.arn, "arn:${local.partition}:iam::${local.account}:role/${var.name}-driver", aws_iam_role.execution.arn]
}

# ------------------------------------------------------------------------------------------------------ data

resource "aws_s3_bucket" "this" {
  bucket = "${var.name}-${local.account}-${local.region}"
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    id     = "uploads-that-never-ended"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

# ----------------------------------------------------------------------------------------------------- roles

data "aws_iam_policy_document" "jobs" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What a task may do: read and write the data of runs.
resource "aws_iam_role" "job" {
  name               = "${var.name}-job"
  assume_role_policy = data.aws_iam_policy_document.jobs.json
}

# What a detached driver may do: what you may.
resource "aws_iam_role" "driver" {
  name               = "${var.name}-driver"
  assume_role_policy = data.aws_iam_policy_document.jobs.json
}

# What starts a job: pulls its image, begins its log.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.jobs.json
}

data "aws_iam_policy_document" "store" {
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.this.arn}/*"]
  }
  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
  }
}

data "aws_iam_policy_document" "launcher" {
  statement {
    actions   = ["batch:SubmitJob"]
    resources = ["${local.batch}:job-queue/${var.name}", "${local.batch}:job-definition/penstock-*"]
  }
  statement {
    actions   = ["batch:RegisterJobDefinition"]
    resources = ["${local.batch}:job-definition/penstock-*"]
  }
  statement {
    actions   = ["batch:TerminateJob", "batch:TagResource"]
    resources = ["${local.batch}:job/*"]
  }
  statement {
    actions = [
      "batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues",
      "batch:DescribeJobs", "batch:ListJobs", "ec2:DescribeInstanceTypes",
    ]
    resources = ["*"] # these know no resources
  }
  statement {
    actions   = ["logs:GetLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/batch/job:*"]
  }
  statement {
    actions   = ["iam:PassRole"]
    resources = local.roles
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
  statement {
    actions   = ["iam:GetRole"] # for `flow doctor`
    resources = local.roles
  }
}

resource "aws_iam_policy" "store" {
  name        = "${var.name}-store"
  description = "The data of runs."
  policy      = data.aws_iam_policy_document.store.json
}

resource "aws_iam_policy" "launcher" {
  name        = "${var.name}-launcher"
  description = "Start, follow and end runs; attach it and the store's policy to whoever does."
  policy      = data.aws_iam_policy_document.launcher.json
}

resource "aws_iam_role_policy_attachment" "job" {
  role       = aws_iam_role.job.name
  policy_arn = aws_iam_policy.store.arn
}

resource "aws_iam_role_policy_attachment" "driver" {
  for_each   = { store = aws_iam_policy.store.arn, launcher = aws_iam_policy.launcher.arn }
  role       = aws_iam_role.driver.name
  policy_arn = each.value
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "${local.policies}/AmazonECSTaskExecutionRolePolicy"
}

# ------------------------------------------------------------------------------------------------------ jobs

resource "aws_security_group" "this" {
  name        = "${var.name}-jobs"
  description = "Jobs of penstock; nothing comes in, but for the nodes of one job."
  vpc_id      = var.vpc_id

  ingress {
    from_port = 0
    to_port   = 0
    protocol  = "-1"
    self      = true
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_iam_policy_document" "instances" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  count              = local.instances ? 1 : 0
  name               = "${var.name}-instance"
  assume_role_policy = data.aws_iam_policy_document.instances.json
}

resource "aws_iam_role_policy_attachment" "instance" {
  count      = local.instances ? 1 : 0
  role       = aws_iam_role.instance[0].name
  policy_arn = "${local.policies}/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "this" {
  count = local.instances ? 1 : 0
  name  = "${var.name}-instance"
  role  = aws_iam_role.instance[0].name
}

resource "aws_batch_compute_environment" "this" {
  type = "MANAGED"

  compute_resources {
    type               = var.platform
    max_vcpus          = var.max_vcpus
    min_vcpus          = local.instances ? 0 : null
    instance_type      = local.instances ? ["optimal"] : null
    instance_role      = local.instances ? aws_iam_instance_profile.this[0].arn : null
    subnets            = var.subnets
    security_group_ids = [aws_security_group.this.id]
  }
}

resource "aws_batch_job_queue" "this" {
  name     = var.name
  priority = 1
  state    = "ENABLED"

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this.arn
  }
}
