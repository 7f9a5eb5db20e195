#!/usr/bin/env bash
# moto reports CREATE_COMPLETE for a CloudFormation stack of a bucket that lacks most of what the template says.
#
# Expected: a stack that is complete has its resources with their properties, or its creation fails.
# Seen: versioning, the block of public access and the bucket's policy are in the template and absent afterwards; only the
#   encryption is there. A warning names the policy, a kind that moto does not implement; nothing names the properties.
# Why it matters: a test that sees CREATE_COMPLETE proves little. Only a GET of each part after the creation does.
# Versions: moto 5.2.5, boto3 1.43.117, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[cloudformation,s3]==5.2.5' boto3==1.43.117
cd "$work"
cat > template.yaml <<'YAML'
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: flights
      VersioningConfiguration: {Status: Enabled}
      BucketEncryption:
        ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]
      PublicAccessBlockConfiguration:
        {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Deny, Principal: "*", Action: "s3:*", Resource: "arn:aws:s3:::flights/*",
                     Condition: {Bool: {"aws:SecureTransport": "false"}}}]
YAML
cat > create.py <<'PY'
import sys, warnings
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

warnings.simplefilter("ignore")
with mock_aws():
    client = boto3.client("cloudformation")
    client.create_stack(StackName="a", TemplateBody=open("template.yaml").read())
    status = client.describe_stacks(StackName="a")["Stacks"][0]["StackStatus"]
    s3, present = boto3.client("s3"), {}
    for part, call, key in (
        ("versioning", s3.get_bucket_versioning, "Status"),
        ("encryption", s3.get_bucket_encryption, "ServerSideEncryptionConfiguration"),
        ("block of public access", s3.get_public_access_block, "PublicAccessBlockConfiguration"),
        ("policy", s3.get_bucket_policy, "Policy"),
    ):
        try:
            present[part] = key in call(Bucket="flights")
        except ClientError:
            present[part] = False
    print(status, present)
absent = {part for part, there in present.items() if not there}
sys.exit(status != "CREATE_COMPLETE" or absent != {"versioning", "block of public access", "policy"})
PY
export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1
"$work/venv/bin/python" create.py 2>/dev/null
# Seen:
# CREATE_COMPLETE {'versioning': False, 'encryption': True, 'block of public access': False, 'policy': False}
