"""Empties a bucket the way boto3's users do: python empty_with_boto3.py ENDPOINT"""

import sys

import boto3

boto3.resource("s3", endpoint_url=sys.argv[1]).Bucket("bucket").object_versions.delete()
