//! A programmable stand-in for everything that a function reaches over HTTP. It keeps what was
//! sent, so that a test compares what goes on the wire.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{Layer, fmt, registry};

/// Names the directory that takes the log of all tests, so that one look through it shows that none
/// holds a secret.
const TEST_LOGS: &str = "TEST_LOGS";

/// A request as it went on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `GET`, `PUT`, …
    pub method: String,
    /// The whole URL.
    pub uri: String,
    /// Headers by lower-case name.
    pub headers: HashMap<String, String>,
    /// The body as text.
    pub body: String,
}

impl Sent {
    /// The operation of a call in AWS's JSON protocol: `CreateCrawler` of `AWSGlue.CreateCrawler`.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.headers.get("x-amz-target")?.split('.').nth(1)
    }
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A response with a status code, headers and a body.
    Response(u16, Vec<(&'static str, String)>, String),
    /// No connection.
    Refused,
    /// A connection that breaks before the response.
    Reset,
    /// Nothing, ever.
    Hang,
}

impl Reply {
    /// A 200 with this body.
    pub fn ok(body: impl Into<String>) -> Self {
        Self::Response(200, Vec::new(), body.into())
    }

    /// A response with this status and body.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Response(status, Vec::new(), body.into())
    }

    /// An error of a service with AWS's JSON protocol.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let message = message.replace('"', "\\\"");
        Self::Response(
            status,
            vec![("x-amzn-requestid", "11111111-2222-3333".to_owned())],
            format!(r#"{{"__type":"{code}","message":"{message}"}}"#),
        )
    }
}

type Answer = dyn FnMut(&Sent) -> Reply + Send;

/// The other side of the connector.
#[derive(Clone)]
pub struct FakeHttp {
    reply: Arc<Mutex<Answer>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl FakeHttp {
    /// Answers each request, retries included, with what `reply` makes of it.
    ///
    /// From here on the process has a log: at `TRACE` in the directory that `TEST_LOGS` names, if it
    /// does, and at `INFO` for [`captured_log`].
    pub fn new(reply: impl FnMut(&Sent) -> Reply + Send + 'static) -> Self {
        log_everything();
        Self {
            reply: Arc::new(Mutex::new(reply)),
            sent: Arc::default(),
        }
    }

    /// Everything that was sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.sent).clone()
    }

    /// The connector to hand to what is tested.
    #[must_use]
    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    /// The functions' own configuration over this connector, for account 111122223333 in
    /// us-east-1.
    ///
    /// # Panics
    ///
    /// Never: the environment is complete.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let env = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "111122223333"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        crate::sdk_config(&BTreeMap::from(env), self.connector()).expect("a complete environment")
    }
}

impl std::fmt::Debug for FakeHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeHttp")
    }
}

impl HttpConnector for FakeHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sent = Sent {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: request
                .body()
                .bytes()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                .unwrap_or_default(),
        };
        lock(&self.sent).push(sent.clone());
        match lock(&self.reply)(&sent) {
            Reply::Response(status, headers, body) => {
                let status = status.try_into().expect("a status code");
                let mut response = HttpResponse::new(status, SdkBody::from(body));
                for (name, value) in headers {
                    response.headers_mut().insert(name, value);
                }
                HttpConnectorFuture::ready(Ok(response))
            }
            Reply::Refused => broken(io::ErrorKind::ConnectionRefused),
            Reply::Reset => broken(io::ErrorKind::ConnectionReset),
            Reply::Hang => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

fn broken(kind: io::ErrorKind) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(Err(ConnectorError::io(io::Error::from(kind).into())))
}

thread_local! {
    /// What this thread has logged since it began to capture.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Begins to keep what this thread logs, for [`captured_log`].
pub fn capture_log() {
    log_everything();
    CAPTURED.set(Some(Vec::new()));
}

/// What this thread has logged since [`capture_log`], which ends with it.
#[must_use]
pub fn captured_log() -> String {
    let log = CAPTURED.take().unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

/// One log for the whole process: tests run in threads, and logs of single threads miss lines when
/// others come and go.
fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let file = std::env::var_os(TEST_LOGS).map(|directory| {
            let name = format!("rust-{}.log", std::process::id());
            File::create(Path::new(&directory).join(name)).expect("TEST_LOGS is writable")
        });
        let level = if file.is_some() {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        };
        // Below `INFO` the SDK tells each step of each call, which makes a gigabyte of a thousand
        // tests. Its connector, which gets the response URL to see, may speak.
        let filter = Targets::new()
            .with_default(level)
            .with_target("aws_", LevelFilter::INFO)
            .with_target("aws_smithy_http_client", level);
        let lines = fmt::layer()
            .with_ansi(false)
            .with_writer(Mutex::new(Log(file)));
        registry().with(lines.with_filter(filter)).init();
    });
}

/// Where the log goes: to the file, if there is one, and to whoever captures it.
struct Log(Option<File>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.0 {
            file.write_all(bytes)?;
        }
        CAPTURED.with_borrow_mut(|captured| {
            if let Some(captured) = captured {
                captured.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
