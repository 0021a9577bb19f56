"""Removes the columns that repeat a partition key from the tables of a database, after each run of its crawler."""

import os
from typing import Any

import boto3

glue = boto3.client("glue")
# The members of a table that UpdateTable takes; it refuses the others that GetTables gives.
TABLE_INPUT = glue.meta.service_model.shape_for("TableInput").members


def handler(event: dict, context: Any) -> dict | None:
    """Repairs the database if the event tells that the crawler has succeeded."""
    detail = event["detail"]
    if detail["crawlerName"] != os.environ["CRAWLER_NAME"] or detail["state"] != "Succeeded":
        return None
    database = os.environ["DATABASE_NAME"]
    checked, failed, removed, to_repair = 0, [], {}, []
    # All pages before the first change, so that no page token outlives the listing it belongs to.
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        checked += len(page["TableList"])
        to_repair += [table for table in page["TableList"] if duplicates(table)]
    for table in to_repair:
        columns = duplicates(table)
        storage = table["StorageDescriptor"]
        storage["Columns"] = [column for column in storage["Columns"] if column["Name"] not in columns]
        try:
            glue.update_table(
                DatabaseName=database,
                TableInput={name: value for name, value in table.items() if name in TABLE_INPUT},
                VersionId=table["VersionId"],
                SkipArchive=True,
            )
        except glue.exceptions.ClientError as error:
            print(f"table {table['Name']} not repaired: {error}")
            failed.append(table["Name"])
        else:
            removed[table["Name"]] = columns
    if failed:
        raise RuntimeError(f"not repaired: {', '.join(failed)}")
    return {"tables_checked": checked, "columns_removed": removed}


def duplicates(table: dict) -> list[str]:
    """The names of the columns that repeat a partition key."""
    if table.get("TableType") == "VIRTUAL_VIEW" or "TargetTable" in table:
        return []
    keys = {key["Name"].lower() for key in table.get("PartitionKeys", [])}
    columns = table.get("StorageDescriptor", {}).get("Columns", [])
    return [column["Name"] for column in columns if column["Name"].lower() in keys]
