# What deploy-central, deploy-members, deploy-quicksight, verify and teardown have in common: they source this file,
# nobody runs it. It finds the tools, speaks to AWS for one of two callers, shows AWS's refusals in AWS's words, and waits
# for stacks.
#
# Written for bash 3.2, which macOS has: no associative arrays, no mapfile, and an empty array counts as unset.
# shellcheck shell=bash
# Many of the variables are set here for those scripts.
# shellcheck disable=SC2034

program=scripts/$(basename "$0")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
interactive=
[[ -t 1 ]] && interactive=1

# The AWS CLI must neither page nor ask, and throttling is waited out: an organization is many calls.
export AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off AWS_RETRY_MODE=${AWS_RETRY_MODE:-standard}
export AWS_MAX_ATTEMPTS=${AWS_MAX_ATTEMPTS:-8} SAM_CLI_TELEMETRY=0

work=$(mktemp -d "${TMPDIR:-/tmp}/patch-reporting.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step() { echo "==> $1"; }
say() { echo "    $1"; }
note() { echo "    note: $1"; }

fail() { # LINE [STATUS]
  echo "$program: $1" >&2
  exit "${2:-1}"
}

usage_error() { # LINE
  echo "$program: $1" >&2
  usage >&2
  exit 2
}

needs_value() { # OPTION COUNT-OF-ARGUMENTS [VALUE]
  (($2 >= 2)) && [[ -n "$3" ]] || usage_error "$1 needs a value"
}

# ---------------------------------------------------------------------------------------------------------------------
# Tools
# ---------------------------------------------------------------------------------------------------------------------

# Older ones ignore AWS_ENDPOINT_URL, so that a command meant for another endpoint would reach AWS.
cli_is_new_enough() { # MAJOR MINOR
  (($1 > 2)) || (($1 == 2 && $2 >= 13)) || (($1 == 1 && $2 >= 29))
}

# Sets AWS to the first AWS CLI that works and is new enough: of the PATH, then scripts/setup's.
find_aws() {
  local candidate version old=
  while IFS= read -r candidate; do
    [[ -x "$candidate" ]] || continue
    version=$("$candidate" --version 2>&1) || continue
    [[ "$version" =~ aws-cli/([0-9]+)\.([0-9]+)[0-9.]* ]] || continue
    if cli_is_new_enough "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"; then
      AWS=$candidate
      return
    fi
    old="${old:-$candidate is ${BASH_REMATCH[0]}}"
  done < <(type -ap aws || true; echo "$root/.venv/bin/aws")
  [[ -z "$old" ]] ||
    fail "$old, which is too old: it ignores AWS_ENDPOINT_URL. Needed is 2.13 or newer, or 1.29 or newer (scripts/setup installs one)"
  fail "missing: aws, the AWS CLI, 2.13 or newer, or 1.29 or newer (scripts/setup installs one)"
}

# Sets SAM as find_aws sets AWS.
find_sam() {
  local candidate
  while IFS= read -r candidate; do
    if [[ -x "$candidate" ]] && "$candidate" --version >/dev/null 2>&1; then
      SAM=$candidate
      return
    fi
  done < <(type -ap sam || true; echo "$root/.venv/bin/sam")
  fail "missing: sam, the AWS SAM CLI (scripts/setup installs one)"
}

# Runs SAM for a stack of the central account, and says why CloudFormation could not do it.
sam_deploy() { # STACK ARGUMENT...
  local stack=$1 since=''
  shift
  [[ -z "$central_status" ]] || since=$(newest_event "$central_region" "$central_id")
  "$SAM" "$@" >"$work/sam" 2>&1 && return
  # SAM's own account of it: the last lines that are no table.
  { grep -v -e '^[-= ]*$' -e '  ' "$work/sam" || true; } | tail -n 5 | sed 's/^/    /' >&2
  print_stack_failures "$central_region" "$stack" "$since"
  fail "the stack $stack in $central_region could not be deployed; above is why"
}

find_python() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "missing: python3, 3.10 or newer"
}

# ---------------------------------------------------------------------------------------------------------------------
# Calls
#
# Two callers: `central` in the central account and `stackset` in the account of the StackSet. Each script sets their
# profile and Region; an empty profile leaves the choice to the environment, as everywhere with AWS.
# ---------------------------------------------------------------------------------------------------------------------

central_profile='' central_region='' stackset_profile='' stackset_region=''
dry_run=

aws_for() { # PROFILE REGION ARGUMENT...
  local profile=$1 region=$2
  shift 2
  "$AWS" ${profile:+--profile "$profile"} --region "$region" --output json "$@"
}

profile_of() { # CALLER
  if [[ "$1" == central ]]; then echo "$central_profile"; else echo "$stackset_profile"; fi
}

central() { aws_for "$central_profile" "$central_region" "$@"; }
stackset() { aws_for "$stackset_profile" "$stackset_region" "$@"; }

# Arguments as one would type them: in quotation marks where the shell would read more into them.
quoted() { # ARGUMENT...
  local argument typed='' apart="'\\''"
  for argument in "$@"; do
    [[ "$argument" =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || argument="'${argument//\'/$apart}'"
    typed="$typed $argument"
  done
  echo "${typed# }"
}

# The command for a reader to copy.
as_typed() { # PROFILE REGION ARGUMENT...
  local profile=$1 region=$2
  shift 2
  quoted aws "$@" ${profile:+--profile "$profile"} --region "$region"
}

# Runs a command and keeps what it said, in this shell: its output in `answer`, and if it failed AWS's words in
# `refusal` and its error code in `code`. Returns the command's status.
attempt() { # COMMAND...
  local status=0
  "$@" >"$work/answer" 2>"$work/refusal" || status=$?
  answer=$(cat "$work/answer") refusal='' code=''
  ((status == 0)) && return 0
  refusal=$(tr '\n' ' ' <"$work/refusal" | sed -e 's/^ *//' -e 's/^aws: \[ERROR\]: //' -e 's/ *$//')
  code=$(sed -n 's/.*An error occurred (\([A-Za-z0-9.]*\)).*/\1/p' "$work/refusal" | head -n 1)
  return "$status"
}

# Like `attempt`, for what must not fail.
must() { # WHAT-WAS-DONE COMMAND...
  local what=$1
  shift
  attempt "$@" || fail "$what: $refusal"
}

# Like `must`, for what changes something: with --dry-run the command is only shown.
change() { # WHAT-WAS-DONE CALLER REGION ARGUMENT...
  local what=$1 profile region=$3
  profile=$(profile_of "$2")
  shift 3
  if [[ -n "$dry_run" ]]; then
    answer=''
    say "would run: $(as_typed "$profile" "$region" "$@")"
  else
    must "$what" aws_for "$profile" "$region" "$@"
  fi
}

# The words by which AWS says that the caller may not.
is_denied() {
  case "$code" in
    AccessDenied | AccessDeniedException | UnauthorizedOperation | Client.UnauthorizedOperation) return 0 ;;
    *) return 1 ;;
  esac
}

# The Region that the AWS CLI would take. Asked once, so that every command names it.
region_of() { # OPTION'S-VALUE PROFILE
  local region=${1:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
  [[ -n "$region" ]] || region=$("$AWS" configure get region ${2:+--profile "$2"} 2>/dev/null || true)
  echo "$region"
}

# Sets account and arn of a caller. Exit 2: with these credentials nothing can be done.
identify() { # CALLER
  attempt "$1" sts get-caller-identity --query '[Account, Arn]' --output text ||
    fail "no usable credentials for the $([[ $1 == central ]] && echo central account || echo "account of the StackSet"): $refusal" 2
  account=${answer%%$'\t'*} arn=${answer#*$'\t'}
  partition=$(echo "$arn" | cut -d : -f 2)
}

# Joins lines to one, with a separator.
joined() { # SEPARATOR
  awk -v separator="$1" 'NF { line = line (n++ ? separator : "") $0 } END { print line }'
}

check_regions() { # COMMA-SEPARATED
  [[ "$1" =~ ^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}(,[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2})*$ ]] ||
    usage_error "--regions takes Regions separated by commas, for example us-east-1,eu-west-1, not '$1'"
}

check_accounts() { # OPTION COMMA-SEPARATED
  [[ "$2" =~ ^[0-9]{12}(,[0-9]{12})*$ ]] ||
    usage_error "$1 takes account ids of 12 digits separated by commas, not '$2'"
}

# Each item of a list on a line of its own, once.
items() { # COMMA-SEPARATED
  echo "$1" | tr ',' '\n' | awk 'NF && !seen[$0]++'
}

# A pause that grows with the waiting: a quick answer is seen at once, a slow one costs few calls.
pause_seconds=0.3
pause() {
  sleep "$pause_seconds"
  pause_seconds=$(awk -v s="$pause_seconds" 'BEGIN { s *= 1.6; print (s > 10 ? 10 : s) }')
}

# The columns of the terminal, as it is now.
terminal_width() {
  local size
  size=$(stty size 2>/dev/null </dev/tty) || size=
  [[ "$size" =~ ^[0-9]+\ [1-9][0-9]*$ ]] || size="24 80"
  echo "${size#* }"
}

# Progress: one line that is rewritten on a terminal, cut to it since only one row can be rewritten; elsewhere a line at
# each change, at most one in 15 seconds.
progress_shown='' progress_at=-15
progress() { # TEXT
  local room
  if [[ -n "$interactive" ]]; then
    room=$(($(terminal_width) - 5))
    printf '\r\033[K    %s' "${1:0:$((room > 0 ? room : 0))}"
  elif [[ "$1" != "$progress_shown" ]] && ((SECONDS - progress_at >= 15)); then
    say "$1"
    progress_shown=$1 progress_at=$SECONDS
  fi
}
progress_end() { # [TEXT]
  [[ -z "$interactive" ]] || printf '\r\033[K'
  [[ -z "${1:-}" || "$1" == "$progress_shown" ]] || say "$1"
  progress_shown='' progress_at=-15 pause_seconds=0.3
}

# ---------------------------------------------------------------------------------------------------------------------
# Templates and their parameters
# ---------------------------------------------------------------------------------------------------------------------

# The names of a template's parameters. Not ValidateTemplate, which takes no template as large as the central one.
template_parameters() { # FILE
  awk '/^[A-Za-z]/ { inside = ($1 == "Parameters:") }
       inside && /^  [A-Za-z0-9]+:/ { sub(/:.*/, ""); sub(/^ */, ""); print }' "$1"
}

# Refuses, before anything is deployed, what the template does not know or the script sets itself.
check_parameter() { # TEMPLATE NAME=VALUE OPTION-OF-EACH-NAME...
  local template=$1 name=${2%%=*} own
  [[ "$2" == *=* ]] || usage_error "--parameter takes Name=Value, not '$2'"
  shift 2
  for own in "$@"; do
    [[ "$name" != "${own%%=*}" ]] || usage_error "the parameter $name is set by ${own#*=}"
  done
  template_parameters "$template" | grep -qx "$name" ||
    fail "$(basename "$template") has no parameter '$name'; it has: $(template_parameters "$template" | joined ', ')" 2
}

# ---------------------------------------------------------------------------------------------------------------------
# Stacks
# ---------------------------------------------------------------------------------------------------------------------

# All of these are about stacks of the central account.

# Sets stack_status, empty if there is no such stack, and stack_id. What the stack says of itself is left in `answer`, a
# line each: output or parameter, name, value.
read_stack() { # REGION NAME
  stack_status='' stack_id=''
  if attempt aws_for "$central_profile" "$1" cloudformation describe-stacks --stack-name "$2" --output text --query \
    "[Stacks[0].[['status', StackStatus, StackId]], Stacks[0].Outputs[].['output', OutputKey, OutputValue], Stacks[0].Parameters[].['parameter', ParameterKey, ParameterValue]][]"; then
    stack_status=$(awk -F '\t' '$1 == "status" { print $2 }' "$work/answer")
    stack_id=$(awk -F '\t' '$1 == "status" { print $3 }' "$work/answer")
  elif [[ "$refusal" == *"does not exist"* ]]; then
    : >"$work/answer"
  else
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html: what a Region says to the
    # credentials of an account that has not enabled it.
    case "$code" in
      InvalidClientTokenId | UnrecognizedClientException) fail "the Region $1 is not enabled in account ${central_account:-$account}: $refusal" ;;
    esac
    fail "can't read the stack $2 in $1: $refusal"
  fi
}

# The value of an output or a parameter of the central stack, or of the stack that a file tells of; empty if it has none
# of that name.
output() { awk -F '\t' -v name="$1" '$1 == "output" && $2 == name { print $3 }' "${2:-$work/stack}"; }
parameter() { awk -F '\t' -v name="$1" '$1 == "parameter" && $2 == name { print $3 }' "${2:-$work/stack}"; }

# Refuses to touch a stack that CloudFormation would refuse to.
check_stack_is_at_rest() { # REGION NAME
  case "$stack_status" in
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED | REVIEW_IN_PROGRESS)
      fail "the stack $2 in $1 is $stack_status and can't be updated; delete it and run this again: $(
        as_typed "$central_profile" "$1" cloudformation delete-stack --stack-name "$2")"
      ;;
    *_IN_PROGRESS) fail "the stack $2 in $1 is $stack_status: somebody is changing it, run this again afterwards" ;;
    UPDATE_ROLLBACK_FAILED)
      fail "the stack $2 in $1 is $stack_status; mend what its events name, then: $(
        as_typed "$central_profile" "$1" cloudformation continue-update-rollback --stack-name "$2")"
      ;;
  esac
}

# Refuses a stack that is something else. A creation that failed has no outputs; the recipe's stack has no such parameter.
check_is_central_stack() { # NAME
  [[ -n "$(output ResourceDataSyncBucketName)" || -n "$(parameter ResourceDataSyncPrefix)" ]] ||
    fail "$1 in $central_region is no central stack: it has neither the output ResourceDataSyncBucketName nor the parameter ResourceDataSyncPrefix"
}

# The stack's newest event, to tell later which events are new.
newest_event() { # REGION STACK
  aws_for "$central_profile" "$1" cloudformation describe-stack-events --stack-name "$2" --max-items 1 \
    --query 'StackEvents[0].EventId' --output text 2>/dev/null | head -n 1 || true
}

# Prints why a stack's operation failed: the failures since an event, without those that only follow from others.
print_stack_failures() { # REGION STACK SINCE-EVENT
  aws_for "$central_profile" "$1" cloudformation describe-stack-events --stack-name "$2" --output text --query \
    'StackEvents[].[EventId, ResourceStatus, LogicalResourceId, ResourceType, ResourceStatusReason]' 2>/dev/null |
    awk -F '\t' -v since="$3" '
      $1 == since { exit }
      $2 ~ /FAILED$/ && $5 != "None" && $4 != "AWS::CloudFormation::Stack" &&
        $5 !~ /^Resource (creation|update|deletion) cancelled/ { print "    " $3 " (" $4 ") " $2 ": " $5 }
      ' >&2 || true
}

# Waits for a stack to come to rest and sets stack_status. A deleted stack is seen by its id.
wait_for_stack() { # REGION STACK-ID LABEL
  local waited=$SECONDS
  while :; do
    must "can't read the stack $3" aws_for "$central_profile" "$1" cloudformation describe-stacks --stack-name "$2" \
      --query 'Stacks[0].StackStatus' --output text
    stack_status=$answer
    [[ "$stack_status" == *_IN_PROGRESS ]] || break
    progress "$3: $stack_status, $((SECONDS - waited)) s"
    pause
  done
  progress_end "$3: $stack_status"
}

# Deletes a stack and waits; no stack is a success. Returns 1 after printing why not.
delete_stack() { # REGION NAME
  local since
  read_stack "$1" "$2"
  if [[ -z "$stack_status" ]]; then
    say "no stack $2 in $1"
    return 0
  fi
  since=$(newest_event "$1" "$stack_id")
  change "can't delete the stack $2 in $1" central "$1" cloudformation delete-stack --stack-name "$2"
  [[ -z "$dry_run" ]] || return 0
  wait_for_stack "$1" "$stack_id" "$2 in $1"
  [[ "$stack_status" != DELETE_COMPLETE ]] || return 0
  print_stack_failures "$1" "$stack_id" "$since"
  return 1
}

# Reads the central stack, for `output` and `parameter`; sets central_status, empty if there is no such stack.
read_central_stack() { # NAME
  read_stack "$central_region" "$1"
  central_status=$stack_status central_id=$stack_id
  cp "$work/answer" "$work/stack"
}

# ---------------------------------------------------------------------------------------------------------------------
# StackSet
# ---------------------------------------------------------------------------------------------------------------------

# Finds out as whom the caller `stackset` may use service-managed StackSets: sets call_as and, where they may be known,
# management_account and stackset_organization. Ends with one line if it may not, unless asked to return 1 (`--quietly`).
find_call_as() { # [--quietly]
  local quietly=${1:-}
  if [[ -z "$quietly" ]] || attempt stackset sts get-caller-identity; then identify stackset; else return 1; fi
  stackset_account=$account stackset_arn=$arn management_account='' stackset_organization='' call_as=DELEGATED_ADMIN
  if attempt stackset organizations describe-organization --output text \
    --query 'Organization.[Id, MasterAccountId]'; then
    stackset_organization=${answer%%$'\t'*} management_account=${answer#*$'\t'}
    [[ "$stackset_account" != "$management_account" ]] || call_as=SELF
  elif [[ -n "$quietly" ]] && ! is_denied; then
    return 1
  elif [[ "$code" == AWSOrganizationsNotInUseException ]]; then
    fail "account $stackset_account belongs to no organization: name the management account or a delegated administrator with --stackset-profile"
  elif is_denied; then
    note "account $stackset_account may not ask for its organization, so it is taken for a delegated administrator: $refusal"
  else
    fail "can't ask for the organization of account $stackset_account: $refusal"
  fi
  if ! attempt stackset cloudformation describe-organizations-access --call-as "$call_as" --query Status --output text; then
    [[ -z "$quietly" ]] || return 1
    fail "$(not_for_stack_sets)"
  fi
  if [[ "$answer" != ENABLED ]]; then
    [[ -z "$quietly" ]] || return 1
    fail "StackSets has no trusted access to the organization ($answer); in the management account${management_account:+ $management_account} run: aws cloudformation activate-organizations-access"
  fi
  # What the organization says of itself is no answer to whether this account may act for it.
  if ! attempt stackset cloudformation list-stack-sets --status ACTIVE --max-items 1 --call-as "$call_as"; then
    [[ -z "$quietly" ]] || return 1
    fail "$(not_for_stack_sets)"
  fi
}

# Refuses a StackSet's account that belongs to another organization than the central stack serves.
check_organization() { # CENTRAL-STACK
  local served
  served=$(parameter OrganizationId)
  [[ -z "$stackset_organization" || -z "$served" || "$stackset_organization" == "$served" ]] ||
    fail "account $stackset_account (--stackset-profile) belongs to the organization $stackset_organization, but the stack $1 serves $served"
}

# Appends the active accounts of a unit, or of the whole organization, to a file. Delegated administrators may ask for
# that too, unless a policy says otherwise; then it returns 1.
accounts_below() { # UNIT FILE
  local below units_below
  if [[ "$1" == r-* ]]; then
    attempt stackset organizations list-accounts --output text \
      --query "Accounts[?(State || Status)=='ACTIVE'].[Id]" || return 1
    grep -E '^[0-9]' "$work/answer" >>"$2" || true
    return 0
  fi
  attempt stackset organizations list-accounts-for-parent --parent-id "$1" --output text \
    --query "Accounts[?(State || Status)=='ACTIVE'].[Id]" || return 1
  grep -E '^[0-9]' "$work/answer" >>"$2" || true
  attempt stackset organizations list-organizational-units-for-parent --parent-id "$1" --output text \
    --query 'OrganizationalUnits[].[Id]' || return 1
  units_below=$(grep '^ou-' "$work/answer" || true)
  for below in $units_below; do
    accounts_below "$below" "$2" || return 1
  done
}

not_for_stack_sets() {
  if [[ "$call_as" == DELEGATED_ADMIN ]] && ! is_denied; then
    echo "account $stackset_account is neither the management account${management_account:+ ($management_account)} nor a delegated administrator for StackSets: name one of them with --stackset-profile (AWS says: $refusal)"
  else
    echo "account $stackset_account can't use StackSets: $refusal"
  fi
}

# Writes the StackSet's description into a file; returns 1 if there is no such StackSet.
read_stack_set() { # NAME FILE
  if attempt stackset cloudformation describe-stack-set --stack-set-name "$1" --call-as "$call_as"; then
    echo "$answer" >"$2"
    return 0
  fi
  [[ "$code" == StackSetNotFoundException ]] || fail "can't read the StackSet $1: $refusal"
  return 1
}

# Writes the StackSet's instances into a file, a line each: account, Region, status, OU, reason. The detailed status tells
# how the last operation went there; that a later change of the StackSet has passed an instance by, the other one tells.
list_instances() { # NAME FILE
  must "can't list the stack instances" stackset cloudformation list-stack-instances --stack-set-name "$1" \
    --call-as "$call_as" --output text --query \
    "Summaries[].[Account, Region, (Status=='OUTDATED' && StackInstanceStatus.DetailedStatus=='SUCCEEDED' && Status) || StackInstanceStatus.DetailedStatus || Status, OrganizationalUnitId, StatusReason]"
  grep -E '^[0-9]{12}' "$work/answer" >"$2" || true
}

# Waits until no operation of the StackSet is under way. With managed execution StackSets would queue ours, but one
# that somebody else has started may be about to change what we compare with.
wait_for_other_operations() { # NAME
  local other
  while :; do
    must "can't list the StackSet's operations" stackset cloudformation list-stack-set-operations \
      --stack-set-name "$1" --call-as "$call_as" --output text --query \
      "Summaries[?Status=='RUNNING' || Status=='QUEUED' || Status=='STOPPING'].[OperationId, Action, Status]"
    other=$(grep -v '^None$' "$work/answer" | head -n 1 || true)
    [[ -n "$other" ]] || break
    if [[ -n "$dry_run" ]]; then
      note "an operation of the StackSet is under way, which would be waited for: $(echo "$other" | tr '\t' ' ')"
      return
    fi
    progress "waiting for an operation of the StackSet that is under way: $(echo "$other" | tr '\t' ' ')"
    pause
  done
  progress_end
}

# Waits for an operation, shows how far it is, in all and in the Regions that are not done, and sets operation_status.
wait_for_operation() { # NAME OPERATION-ID
  local regions open
  while :; do
    must "can't read the operation $2" stackset cloudformation describe-stack-set-operation --stack-set-name "$1" \
      --operation-id "$2" --call-as "$call_as" --output text \
      --query 'StackSetOperation.[Status, StatusReason]'
    operation_status=${answer%%$'\t'*} operation_reason=${answer#*$'\t'}
    must "can't read the operation $2" stackset cloudformation list-stack-set-operation-results \
      --stack-set-name "$1" --operation-id "$2" --call-as "$call_as" --output text \
      --query 'Summaries[].[Region, Status]'
    # A line for each Region, and one for all that is open.
    awk '
      NF == 2 {
        if (!($1 in all)) order[++n] = $1
        all[$1]++
        total++
        if ($2 == "SUCCEEDED") { done[$1]++; good++ }
        if ($2 == "FAILED" || $2 == "CANCELLED") { failed[$1]++; bad++ }
      }
      END {
        for (i = 1; i <= n; i++) {
          r = order[i]
          printf "%s: %d of %d done, %d failed\n", r, done[r], all[r], failed[r]
          if (done[r] + failed[r] < all[r]) open = open ", " r " " done[r] + failed[r] "/" all[r]
        }
        if (n) printf "all: %d of %d done, %d failed%s\n", good, total, bad, open
      }' "$work/answer" >"$work/regions"
    case "$operation_status" in
      SUCCEEDED | FAILED | STOPPED) break ;;
    esac
    open=$(sed -n 's/^all: //p' "$work/regions")
    progress "${open:-operation $2 is $operation_status}"
    pause
  done
  regions=$(grep -v '^all: ' "$work/regions" | joined '; ' || true)
  progress_end "${regions:-nothing to do}"
  [[ "$operation_status" == SUCCEEDED || "$operation_reason" == None || -z "$operation_reason" ]] ||
    say "operation $2 $operation_status: $operation_reason"
}

# How instances are worked on: all Regions at once, as many accounts at once as StackSets can, and on past each failure:
# by default one failed account stops the rollout to all the others. SOFT_FAILURE_TOLERANCE keeps the pace whatever
# tolerance is asked for.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
concurrency_mode=,ConcurrencyMode=SOFT_FAILURE_TOLERANCE

# Like `change` of the StackSet's account, for what starts an operation on instances; its id is left in `answer`. AWS CLIs
# from before November 2023 don't know the concurrency mode: without it StackSets keeps to the default, which never works
# on more accounts of a Region than may still fail.
operate() { # WHAT-WAS-DONE FAILURE-TOLERANCE-% MAX-CONCURRENT-% ARGUMENT...
  local what=$1 preferences="RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=$2,MaxConcurrentPercentage=$3"
  shift 3
  set -- "$@" --query OperationId --output text --operation-preferences
  if [[ -z "$dry_run" && -n "$concurrency_mode" ]]; then
    ! attempt stackset "$@" "$preferences$concurrency_mode" || return 0
    [[ "$refusal" == *'Unknown parameter in OperationPreferences: "ConcurrencyMode"'* ]] || fail "$what: $refusal"
    concurrency_mode=''
    note "this AWS CLI does not know ConcurrencyMode, so the operation may go slower; a newer one does"
  fi
  change "$what" stackset "$stackset_region" "$@" "$preferences$concurrency_mode"
}

# Prints the command that takes accounts out of the StackSet and leaves their stacks where they are: the only way out for
# an instance that StackSets can't delete, in a suspended account for one.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstanceComprehensiveStatus.html
way_out() { # NAME UNITS REGIONS ACCOUNTS
  # shellcheck disable=SC2046 # one argument for each Region
  as_typed "$stackset_profile" "$stackset_region" cloudformation delete-stack-instances --stack-set-name "$1" \
    --call-as "$call_as" --retain-stacks --regions $(items "$3") --deployment-targets \
    "OrganizationalUnitIds=$2,Accounts=$4,AccountFilterType=INTERSECTION"
}

# ---------------------------------------------------------------------------------------------------------------------
# Files of the nodes
# ---------------------------------------------------------------------------------------------------------------------

# Lists the files of one type and sums them up, a line for each account and Region: type, account, Region (- for the
# file that a sync writes when it is made), files, time of the newest. The list itself is never kept: it has a line for
# each node.
sum_up_type() { # BUCKET FOLDER TYPE
  central s3api list-objects-v2 --bucket "$1" --prefix "$2/$3/" --query 'Contents[].[Key, LastModified]' \
    --output text |
    awk -F '\t' -v type="$3" '
      match($1, /\/accountid=[0-9]+\//) {
        account = substr($1, RSTART + 11, RLENGTH - 12)
        region = match($1, /\/region=[^\/]+\//) ? substr($1, RSTART + 8, RLENGTH - 9) : "-"
        key = account "\t" region
        files[key]++
        if ($2 > newest[key]) newest[key] = $2
      }
      END { for (key in files) print type "\t" key "\t" files[key] "\t" newest[key] }'
}

# Sums up the whole bucket into a file, four types at a time.
sum_up_bucket() { # BUCKET FOLDER FILE
  local types type running=0 pid pids=''
  must "can't list the bucket $1" central s3api list-objects-v2 --bucket "$1" --prefix "$2/" --delimiter / \
    --query 'CommonPrefixes[].[Prefix]' --output text
  types=$(sed -n "s|^$2/\(.*\)/\$|\1|p" "$work/answer")
  : >"$3"
  while IFS= read -r type; do
    [[ -n "$type" ]] || continue
    progress "reading $type"
    sum_up_type "$1" "$2" "$type" >"$work/type.$running" 2>"$work/type.$running.refusal" &
    pids="$pids $!"
    running=$((running + 1))
    if ((running == 4)); then
      collect_types "$3" "$pids"
      running=0 pids=''
    fi
  done <<<"$types"
  [[ -z "$pids" ]] || collect_types "$3" "$pids"
  progress_end
}

collect_types() { # FILE PIDS
  local i=0 pid
  for pid in $2; do
    wait "$pid" || fail "can't list the bucket: $(tr '\n' ' ' <"$work/type.$i.refusal")"
    cat "$work/type.$i" >>"$1"
    i=$((i + 1))
  done
}

# ---------------------------------------------------------------------------------------------------------------------
# Code
#
# A stack and a bucket in each Region. Their names tell whose they are: a central stack of another name, or of the same
# name in another Region, has others.
# ---------------------------------------------------------------------------------------------------------------------

# Sets code_stack and code_prefix. A bucket's name has at most 63 characters, of lower case, and the longest Region's takes
# 16 of them with its hyphen; a stack's has at most 128. What is cut off still counts in the hash.
name_code() { # CENTRAL-STACK CENTRAL-REGION ACCOUNT
  local hash name
  hash=$(python3 -c 'import hashlib, sys; print(hashlib.sha256("\n".join(sys.argv[1:]).encode()).hexdigest()[:8])' "$1" "$2")
  code_stack=${1:0:110}-code-$hash
  name=$(echo "${1:0:20}" | tr '[:upper:]' '[:lower:]')
  code_prefix=${name%-}-code-$3-$hash
}

# Reads the code stack of a Region; sets stack_status, empty if there is none. Refuses one that is not ours.
read_code_stack() { # REGION
  read_stack "$1" "$code_stack"
  [[ -z "$stack_status" || "$(parameter CodeBucketPrefix "$work/answer")" == "$code_prefix" ]] ||
    fail "the stack $code_stack in $1 is no stack of cfn/code-buckets.yaml for $code_prefix"
}

# Refuses functions that were built for another processor, which would fail at their first call.
check_package() { # ARCHITECTURE ZIP
  local built
  [[ -f "$2" ]] || fail "$2 is missing: run scripts/build, or leave --skip-build out"
  built=$(python3 scripts/lib/package.py "$2") || fail "$2 can't be read as a function's package; run scripts/build"
  [[ "$built" == "$1" ]] ||
    fail "$2 was built for $built, not for $1: run scripts/build --arch $1, or leave --skip-build out"
}
