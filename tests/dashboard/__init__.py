"""The QuickSight dashboard of cfn/quicksight.yaml without QuickSight: what it shows, and the numbers that it shows."""
