"""Data of penstock in a bucket of S3, or of any store that speaks its protocol."""
