"""S3's list and batch delete calls hold to S3's limits."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import LocalAws

ACCOUNT = "300000000007"


@pytest.fixture(scope="module")
def s3(local_aws: LocalAws) -> Any:
    return local_aws.client("s3", ACCOUNT)


def make_bucket(s3: Any, name: str, *, versioned: bool = True) -> str:
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(scope="module")
def thousand_and_one(s3: Any) -> str:
    bucket = make_bucket(s3, "s3-limits-1001", versioned=False)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"k{n:04}", Body=b""), range(1001)))
    return bucket


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("list_objects", "Contents"),
        ("list_objects_v2", "Contents"),
        ("list_object_versions", "Versions"),
    ],
)
def test_a_page_has_at_most_1000_entries(s3: Any, thousand_and_one: str, operation: str, members: str) -> None:
    page = getattr(s3, operation)(Bucket=thousand_and_one, MaxKeys=5000)
    assert (len(page[members]), page["IsTruncated"], page["MaxKeys"]) == (1000, True, 1000)


def test_deleting_1001_keys_is_malformed(s3: Any, thousand_and_one: str) -> None:
    keys = [{"Key": f"k{n:04}"} for n in range(1001)]
    with pytest.raises(ClientError) as refused:
        s3.delete_objects(Bucket=thousand_and_one, Delete={"Objects": keys})
    assert refused.value.response["Error"]["Code"] == "MalformedXML"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert s3.list_objects_v2(Bucket=thousand_and_one)["KeyCount"] == 1000  # all are still there


def test_deleting_1000_keys_is_allowed(s3: Any, thousand_and_one: str) -> None:
    keys = [{"Key": f"k{n:04}"} for n in range(1000)]
    assert len(s3.delete_objects(Bucket=thousand_and_one, Delete={"Objects": keys})["Deleted"]) == 1000
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=thousand_and_one)["Contents"]] == ["k1000"]


def test_keys_that_the_caller_may_not_delete_are_errors_of_their_own(local_aws: LocalAws, s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-denied")
    versions = {key: s3.put_object(Bucket=bucket, Key=key, Body=b"")["VersionId"] for key in ("a", "b", "c")}
    resource = f"arn:aws:s3:::{bucket}/"
    statements = [
        {"Effect": "Allow", "Action": "s3:DeleteObjectVersion", "Resource": [f"{resource}a", f"{resource}b"]},
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"{resource}c"},
    ]
    iam = local_aws.client("iam", ACCOUNT)
    arn = iam.create_user(UserName="deleter")["User"]["Arn"]
    iam.put_user_policy(
        UserName="deleter",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    deleter = local_aws.client_for("s3", iam.create_access_key(UserName="deleter")["AccessKey"])

    entries = [{"Key": key, "VersionId": version} for key, version in versions.items()]
    answer = deleter.delete_objects(Bucket=bucket, Delete={"Objects": entries})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["a", "b"]
    [error] = answer["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("c", versions["c"], "AccessDenied")
    assert error["Message"] == (
        f"User: {arn} is not authorized to perform: s3:DeleteObjectVersion on resource: "
        f'"{resource}c" because no identity-based policy allows the s3:DeleteObjectVersion action'
    )
    assert [entry["Key"] for entry in s3.list_object_versions(Bucket=bucket)["Versions"]] == ["c"]
    assert deleter.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}]})["Deleted"][0]["DeleteMarker"]


def test_a_delete_with_false_credentials_is_refused_as_a_whole(local_aws: LocalAws, s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-false")
    stranger = local_aws.client_for("s3", {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "SecretAccessKey": "false"})
    with pytest.raises(ClientError) as refused:
        stranger.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_versions_are_listed_to_the_end_while_each_page_is_deleted(s3: Any, size: int) -> None:
    bucket = make_bucket(s3, f"s3-limits-paging-{size}")
    expected = set()
    for key in ("a", "b", "c"):
        expected |= {(key, s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]) for _ in range(3)}
    expected.add(("b", s3.delete_object(Bucket=bucket, Key="b")["VersionId"]))

    found = set()
    markers: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=size, **markers)
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        for entry in entries:
            found.add((entry["Key"], entry["VersionId"]))
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert found == expected
    s3.delete_bucket(Bucket=bucket)


def test_versions_come_newest_first_with_markers(s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-order")
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=b"x" * n)["VersionId"] for n in range(2)]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    page = s3.list_object_versions(Bucket=bucket)
    assert [(v["VersionId"], v["IsLatest"], v["Size"]) for v in page["Versions"]] == [
        (versions[1], False, 1),
        (versions[0], False, 0),
    ]
    assert [(m["VersionId"], m["IsLatest"]) for m in page["DeleteMarkers"]] == [(marker, True)]


def test_never_versioned_objects_have_the_version_null(s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-null", versioned=False)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    [version] = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert (version["VersionId"], version["IsLatest"]) == ("null", True)


def test_keys_survive_the_listing_whatever_they_contain(s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-keys")
    keys = ["a b", "a+b", "a%2Fb", "Ω/ü", "<&>", 'q"q', "nl\nnl", "bell\x07", "AWS:Tag/accountid=1/x.json"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    # boto3 asks for URL encoding and decodes it again.
    assert {entry["Key"] for entry in s3.list_object_versions(Bucket=bucket)["Versions"]} == set(keys)


def test_versions_are_grouped_by_a_delimiter(s3: Any) -> None:
    bucket = make_bucket(s3, "s3-limits-groups")
    for key in ("p/a/1", "p/a/2", "p/b/1", "p/z", "q"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    groups: list[str] = []
    keys: list[str] = []
    for page in s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix="p/", Delimiter="/", PaginationConfig={"PageSize": 1}
    ):
        groups += [group["Prefix"] for group in page.get("CommonPrefixes", [])]
        keys += [version["Key"] for version in page.get("Versions", [])]
    assert (groups, keys) == (["p/a/", "p/b/"], ["p/z"])
