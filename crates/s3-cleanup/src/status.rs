//! Whether the stack itself is going: the one call to CloudFormation.
//!
//! A Delete arrives in four situations: the stack is deleted, its creation is rolled back, an
//! update (or an update's rollback) takes the resource out of the stack, or an update has changed
//! the physical id. The event looks the same in all of them; the stack's status does not:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::StackStatus;

use crate::error::CleanupError;

/// CloudFormation as far as it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Stacks(Client);

impl Stacks {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// The status of the stack with this ARN.
    pub(crate) async fn status(&self, stack_id: &str) -> Result<StackStatus, CleanupError> {
        let found = self.0.describe_stacks().stack_name(stack_id).send().await;
        let found = found.map_err(|error| CleanupError::StackStatus {
            stack_id: stack_id.to_owned(),
            error: error.into(),
        })?;
        let status = found.stacks.into_iter().flatten().next();
        status
            .and_then(|stack| stack.stack_status)
            .ok_or_else(|| CleanupError::NoStatus {
                stack_id: stack_id.to_owned(),
            })
    }
}

/// Whether a stack of this status is on its way out, with all that is in it.
pub(crate) fn is_going(status: &StackStatus) -> bool {
    matches!(
        status,
        StackStatus::DeleteInProgress | StackStatus::RollbackInProgress
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_stack_and_of_its_creation_are_its_going() {
        // Also what a later version of the API may call a status.
        let going: Vec<_> = StackStatus::values()
            .iter()
            .copied()
            .chain(["DELETE_SOMETHING_IN_PROGRESS", ""])
            .filter(|&status| is_going(&status.into()))
            .collect();
        assert_eq!(going, ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"]);
    }
}
