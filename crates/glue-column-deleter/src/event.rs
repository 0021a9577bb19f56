//! What is read of the event.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

const SOURCE: &str = "aws.glue";
const DETAIL_TYPE: &str = "Glue Crawler State Change";

/// The `detail` of a `Glue Crawler State Change` event, as far as it is needed. All its values are strings.
///
/// See <https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html>.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CrawlerStateChange {
    /// The crawler that changed its state.
    pub(crate) crawler_name: String,
    /// `Started`, `Succeeded` or `Failed`.
    pub(crate) state: String,
}

impl CrawlerStateChange {
    /// Reads the detail of an event that tells of a crawler; `None` is an event of another kind.
    ///
    /// # Errors
    ///
    /// The event is of that kind and lacks the crawler's name or its state.
    pub(crate) fn read(event: EventBridgeEvent<Value>) -> Result<Option<Self>, serde_json::Error> {
        if event.source != SOURCE || event.detail_type != DETAIL_TYPE {
            return Ok(None);
        }
        serde_json::from_value(event.detail).map(Some)
    }

    /// Whether the crawler has just finished its work, so that tables may have got new columns.
    pub(crate) fn succeeded(&self) -> bool {
        self.state == "Succeeded"
    }
}
