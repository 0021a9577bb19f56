//! What is read of the event.

use serde::{Deserialize, Serialize};

/// The `detail` of a `Glue Crawler State Change` event, as far as it is needed. All its values are strings.
///
/// See <https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html>.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrawlerStateChange {
    /// The crawler that changed its state.
    pub crawler_name: String,
    /// `Started`, `Succeeded` or `Failed`.
    pub state: String,
}

impl CrawlerStateChange {
    /// Whether the crawler has just finished its work, so that tables may have got new columns.
    pub(crate) fn succeeded(&self) -> bool {
        self.state == "Succeeded"
    }
}
