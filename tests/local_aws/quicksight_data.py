"""QuickSight's data sources, data sets and refresh schedules.

A data source is of Athena; its connection is tried when it is made or changed (`quicksight_athena`). A data set's
columns have to fit (`quicksight_columns`). On AWS the status of a data source follows its answer; here it is there at
once.

A data set in SPICE has one ingestion for each time that it was made or changed, which is completed and has read
nothing. It may have five refresh schedules
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateRefreshSchedule.html), with a time of the day
unless they are hourly (https://docs.aws.amazon.com/quicksight/latest/APIReference/API_RefreshFrequency.html). That
other data sets may have none is what the user interface does; the texts are ours.
"""

from __future__ import annotations

import re
import time
import uuid
import zoneinfo
from collections.abc import Callable
from functools import partial
from typing import Any

from local_aws import quicksight_athena, quicksight_columns
from local_aws.quicksight_accounts import Answer, ApiError, Request, exists, invalid, not_found, page
from local_aws.quicksight_definition import Problem
from local_aws.quicksight_store import (
    DATA_SET,
    DATA_SOURCE,
    Resource,
    Version,
    answer_of,
    check_new,
    delete,
    describe_permissions,
    existing,
    list_all,
    named,
    take_in,
    update_permissions,
)

MAX_SCHEDULES = 5


# --- data sources


def _data_source_version(request: Request, done: str, failed: str) -> Version:
    parameters = request.get("DataSourceParameters", {}).get("AthenaParameters")
    if request["Type"] != "ATHENA" or parameters is None:
        raise invalid("the local AWS knows data sources of the type ATHENA only, which have AthenaParameters")
    if denial := quicksight_athena.denial_to_pass(parameters):
        raise ApiError("AccessDeniedException", denial.message)
    problem = quicksight_athena.connection_problem(parameters)
    found = [Problem("ACCESS_DENIED", "DataSourceParameters.AthenaParameters", problem)] if problem else []
    return Version(request, failed if problem else done, found)


def _create_data_source(request: Request) -> Answer:
    check_new(DATA_SOURCE, request)
    resource = take_in(DATA_SOURCE, request, _data_source_version(request, "CREATION_SUCCESSFUL", "CREATION_FAILED"))
    return answer_of(DATA_SOURCE, request, resource, CreationStatus="CREATION_IN_PROGRESS")


def _update_data_source(request: Request) -> Answer:
    resource = existing(DATA_SOURCE, request)
    whole = {**request, "Type": resource.latest.request["Type"]}
    resource.versions.append(_data_source_version(whole, "UPDATE_SUCCESSFUL", "UPDATE_FAILED"))
    return answer_of(DATA_SOURCE, request, resource, UpdateStatus="UPDATE_IN_PROGRESS")


def _data_source(resource: Resource) -> Answer:
    version = resource.latest
    members = ("DataSourceId", "Name", "Type", "DataSourceParameters", "VpcConnectionProperties", "SslProperties")
    answer = {
        "Arn": resource.arn,
        "Status": version.status,
        "CreatedTime": resource.created,
        "LastUpdatedTime": version.created,
        **{name: version.request[name] for name in members if name in version.request},
    }
    for problem in version.problems:
        answer["ErrorInfo"] = {"Type": problem.type, "Message": problem.message}
    return answer


# --- data sets


def columns_of(data_set_arn: str) -> dict[str, str]:
    """The columns of a data set of this Region with their types, calculated ones with "". Raises `ApiError`."""
    found = named(DATA_SET, data_set_arn)
    if found is None:
        raise invalid(f"The data set {data_set_arn} doesn't exist.")
    return quicksight_columns.output_columns(found.latest.request, columns_of)


def _check_data_set(request: Request) -> None:
    if "DataPrepConfiguration" in request or "SemanticModelConfiguration" in request:
        raise invalid("the local AWS knows data sets with physical and logical tables only")
    for table in request["PhysicalTableMap"].values():
        for source in table.values():
            if named(DATA_SOURCE, source.get("DataSourceArn", "")) is None:
                raise invalid(f"The data source {source.get('DataSourceArn')} doesn't exist.")
    quicksight_columns.output_columns(request, columns_of)


def _ingest(resource: Resource, request: Request, kind: str) -> Answer:
    """The members that an answer has if the data set is imported."""
    if request["ImportMode"] != "SPICE":
        return {}
    ingestion_id = str(uuid.uuid4())
    ingestion_arn = f"{resource.arn}/ingestion/{ingestion_id}"
    resource.ingestions.append(
        {
            "Arn": ingestion_arn,
            "IngestionId": ingestion_id,
            "IngestionStatus": "COMPLETED",
            "CreatedTime": time.time(),
            "RequestSource": "MANUAL",
            "RequestType": kind,
        }
    )
    return {"IngestionArn": ingestion_arn, "IngestionId": ingestion_id}


def _create_data_set(request: Request) -> Answer:
    check_new(DATA_SET, request)
    _check_data_set(request)
    resource = take_in(DATA_SET, request, Version(request, "CREATION_SUCCESSFUL"))
    return answer_of(DATA_SET, request, resource, **_ingest(resource, request, "INITIAL_INGESTION"))


def _update_data_set(request: Request) -> Answer:
    resource = existing(DATA_SET, request)
    _check_data_set(request)
    resource.versions.append(Version(request, "UPDATE_SUCCESSFUL"))
    return answer_of(DATA_SET, request, resource, **_ingest(resource, request, "EDIT"))


def _data_set_summary(resource: Resource) -> Answer:
    members = ("DataSetId", "Name", "ImportMode", "UseAs")
    return {
        "Arn": resource.arn,
        "CreatedTime": resource.created,
        "LastUpdatedTime": resource.latest.created,
        **{name: resource.latest.request[name] for name in members if name in resource.latest.request},
    }


def _data_set(resource: Resource) -> Answer:
    request = resource.latest.request
    columns = quicksight_columns.output_columns(request, columns_of)
    kept = request.keys() - {"AwsAccountId", "Permissions", "Tags", "FolderArns"}
    return {
        **{name: request[name] for name in kept},
        **_data_set_summary(resource),
        # The type of a column that the data set calculates is not worked out.
        "OutputColumns": [{"Name": name, "Type": kind or "STRING"} for name, kind in columns.items()],
        "ConsumedSpiceCapacityInBytes": 0,
    }


def _list_ingestions(request: Request) -> Answer:
    return page(existing(DATA_SET, request).ingestions[::-1], "Ingestions", request)


# --- refresh schedules


def _check_schedule(resource: Resource, schedule: Request) -> None:
    if resource.latest.request["ImportMode"] != "SPICE":
        raise invalid("A refresh schedule needs a data set that is imported into SPICE.")
    if not schedule["ScheduleId"]:
        raise invalid("ScheduleId must not be empty.")
    frequency = schedule["ScheduleFrequency"]
    interval, at = frequency["Interval"], frequency.get("TimeOfTheDay")
    if interval in ("DAILY", "WEEKLY", "MONTHLY") and at is None:
        raise invalid(f"TimeOfTheDay is required for the interval {interval}.")
    if at is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        raise invalid(f"TimeOfTheDay must be expressed in HH:MM format, {at} is not.")
    if interval in ("WEEKLY", "MONTHLY") and not frequency.get("RefreshOnDay"):
        raise invalid(f"RefreshOnDay is required for the interval {interval}.")
    zone = frequency.get("Timezone")
    if zone is not None and zone not in zoneinfo.available_timezones():
        raise invalid(f"There is no Timezone {zone}.")


def _schedule_answer(resource: Resource, schedule: Request, **members: Any) -> Answer:
    return {"ScheduleId": schedule["ScheduleId"], "Arn": _schedule_arn(resource, schedule["ScheduleId"]), **members}


def _schedule_arn(resource: Resource, schedule_id: str) -> str:
    return f"{resource.arn}/refresh-schedule/{schedule_id}"


def _create_schedule(request: Request) -> Answer:
    resource, schedule = existing(DATA_SET, request), request["Schedule"]
    _check_schedule(resource, schedule)
    if schedule["ScheduleId"] in resource.schedules:
        raise exists(f"Refresh schedule {schedule['ScheduleId']} already exists.")
    if len(resource.schedules) == MAX_SCHEDULES:
        text = f"A data set has {MAX_SCHEDULES} refresh schedules at most."
        raise ApiError("LimitExceededException", text)
    resource.schedules[schedule["ScheduleId"]] = schedule
    return _schedule_answer(resource, schedule)


def _schedule(request: Request, schedule_id: str) -> tuple[Resource, Request]:
    resource = existing(DATA_SET, request)
    if schedule_id not in resource.schedules:
        raise not_found(f"Refresh schedule {schedule_id} is not found.")
    return resource, resource.schedules[schedule_id]


def _update_schedule(request: Request) -> Answer:
    schedule = request["Schedule"]
    resource, _ = _schedule(request, schedule["ScheduleId"])
    _check_schedule(resource, schedule)
    resource.schedules[schedule["ScheduleId"]] = schedule
    return _schedule_answer(resource, schedule)


def _describe_schedule(request: Request) -> Answer:
    resource, schedule = _schedule(request, request["ScheduleId"])
    own = _schedule_arn(resource, request["ScheduleId"])
    return {"RefreshSchedule": {**schedule, "Arn": own}, "Arn": own}


def _list_schedules(request: Request) -> Answer:
    resource = existing(DATA_SET, request)
    found = [{**each, "Arn": _schedule_arn(resource, name)} for name, each in resource.schedules.items()]
    return {"RefreshSchedules": found}


def _delete_schedule(request: Request) -> Answer:
    resource, schedule = _schedule(request, request["ScheduleId"])
    del resource.schedules[request["ScheduleId"]]
    return _schedule_answer(resource, schedule)


OPERATIONS: dict[str, Callable[[Request], Answer]] = {
    "CreateDataSet": _create_data_set,
    "CreateDataSource": _create_data_source,
    "CreateRefreshSchedule": _create_schedule,
    "DeleteDataSet": partial(delete, DATA_SET),
    "DeleteDataSource": partial(delete, DATA_SOURCE),
    "DeleteRefreshSchedule": _delete_schedule,
    "DescribeDataSet": lambda request: {"DataSet": _data_set(existing(DATA_SET, request))},
    "DescribeDataSetPermissions": partial(describe_permissions, DATA_SET),
    "DescribeDataSource": lambda request: {"DataSource": _data_source(existing(DATA_SOURCE, request))},
    "DescribeDataSourcePermissions": partial(describe_permissions, DATA_SOURCE),
    "DescribeRefreshSchedule": _describe_schedule,
    "ListDataSets": partial(list_all, DATA_SET, "DataSetSummaries", _data_set_summary),
    "ListDataSources": partial(list_all, DATA_SOURCE, "DataSources", _data_source),
    "ListIngestions": _list_ingestions,
    "ListRefreshSchedules": _list_schedules,
    "UpdateDataSet": _update_data_set,
    "UpdateDataSetPermissions": partial(update_permissions, DATA_SET),
    "UpdateDataSource": _update_data_source,
    "UpdateDataSourcePermissions": partial(update_permissions, DATA_SOURCE),
    "UpdateRefreshSchedule": _update_schedule,
}
