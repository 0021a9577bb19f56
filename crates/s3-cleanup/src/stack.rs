//! What a stack's ARN tells: whose it is and which.

/// The ARN of a stack, `arn:<partition>:cloudformation:<region>:<account>:stack/<name>/<id>`.
///
/// See <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html>.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StackArn<'a> {
    account_id: &'a str,
    name_and_id: &'a str,
}

impl<'a> StackArn<'a> {
    /// Reads an ARN; `None` if it is not a stack's.
    pub(crate) fn new(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next();
        let ("arn", _partition, "cloudformation", _region) = (next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        let (account_id, name_and_id) = (next()?, next()?.strip_prefix("stack/")?);
        let is_account = account_id.len() == 12 && account_id.bytes().all(|b| b.is_ascii_digit());
        is_account.then_some(Self {
            account_id,
            name_and_id,
        })
    }

    /// The account that owns the stack: twelve digits.
    pub(crate) fn account_id(self) -> &'a str {
        self.account_id
    }

    /// `<name>/<id>`: the name for people, the id because a deleted stack's name can be used again.
    pub(crate) fn name_and_id(self) -> &'a str {
        self.name_and_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_stack_are_read_in_every_partition() {
        for (arn, account_id, name_and_id) in [
            (
                "arn:aws:cloudformation:us-east-1:111122223333:stack/patch-reporting/51af3dc0-da77-11e4-872e-1234567db123",
                "111122223333",
                "patch-reporting/51af3dc0-da77-11e4-872e-1234567db123",
            ),
            (
                "arn:aws-us-gov:cloudformation:us-gov-west-1:111122223333:stack/s/1",
                "111122223333",
                "s/1",
            ),
            (
                "arn:aws-cn:cloudformation:cn-north-1:012345678901:stack/s/1",
                "012345678901",
                "s/1",
            ),
        ] {
            let stack = StackArn::new(arn).unwrap_or_else(|| panic!("{arn} is a stack's"));
            assert_eq!(
                (stack.account_id(), stack.name_and_id()),
                (account_id, name_and_id),
                "{arn}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_stack() {
        for arn in [
            "",
            "patch-reporting",
            "arn:aws:s3:::bucket",
            "arn:aws:cloudformation:us-east-1:111122223333",
            "arn:aws:cloudformation:us-east-1:111122223333:changeSet/c/1",
            "arn:aws:cloudformation:us-east-1::stack/s/1",
            "arn:aws:cloudformation:us-east-1:1111:stack/s/1",
            "arn:aws:cloudformation:us-east-1:11112222333x:stack/s/1",
        ] {
            assert_eq!(StackArn::new(arn), None, "{arn:?}");
        }
    }
}
