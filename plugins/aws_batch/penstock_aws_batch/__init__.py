"""AWS Batch as an executor of penstock: `--executor=aws-batch`. `plugin.py` announces it."""
