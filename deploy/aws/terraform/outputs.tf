output "settings" {
  description = "For pyproject.toml"
  value       = <<-EOT
    [tool.penstock]
    executor = "aws-batch"
    datastore = "s3://${aws_s3_bucket.this.id}/flows"

    [tool.penstock.aws-batch]
    queue = "${aws_batch_job_queue.this.name}"
    iam_role = "${aws_iam_role.job.arn}"
    driver_role = "${aws_iam_role.driver.arn}"
    execution_role = "${aws_iam_role.execution.arn}"
  EOT
}

output "launcher_policies" {
  description = "Attach them to whoever starts runs"
  value       = [aws_iam_policy.launcher.arn, aws_iam_policy.store.arn]
}
