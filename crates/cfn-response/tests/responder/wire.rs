//! The answer over a real connection, to a server that does what servers and networks do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cfn_response::Responder;
use serde_json::Value;

use crate::support::{event, invocation, success};

/// What the server does with one connection.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Reads the request and answers with this status line.
    Answer(&'static str),
    /// Closes the connection while there is unread data, which resets it.
    Reset,
    /// Reads the request and closes the connection.
    HangUp,
    /// Reads the request and stays silent.
    HalfOpen,
    /// Answers one byte at a time, with a pause of so many milliseconds between them.
    Slow(u64),
    /// Answers that the request was taken, and never sends the body that it announces.
    TakenWithoutBody,
}

const TAKEN: Turn = Turn::Answer("200 OK");

/// A server on the loopback interface that deals with one connection after the other, and the
/// requests that it has read.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(turns: &'static [Turn]) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", 0)).unwrap(), turns)
    }

    fn listen(listener: TcpListener, turns: &'static [Turn]) -> Self {
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&server.requests);
        thread::spawn(move || {
            // What is kept here stays open.
            let mut open = Vec::new();
            for turn in turns {
                let (stream, _) = listener.accept().unwrap();
                open.extend(serve(stream, *turn, &requests));
            }
            // A connection too many would be seen as a request too many.
            while let Ok((stream, _)) = listener.accept() {
                open.extend(serve(stream, TAKEN, &requests));
            }
        });
        server
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn answer(&self) -> Result<(), lambda_runtime::Error> {
        let mut event = event("Create");
        event["ResponseURL"] = format!(
            "http://{}/a%3Ab%7Cc?X-Amz-Signature=5ecre7&x=%2B",
            self.address
        )
        .into();
        Responder::new(lambda_sdk::http_connector())
            .answer(invocation(event, Duration::from_mins(1)), async |_, _| {
                success("thing")
            })
            .await
    }
}

fn serve(mut stream: TcpStream, turn: Turn, requests: &Mutex<Vec<String>>) -> Option<TcpStream> {
    if let Turn::Reset = turn {
        // The request's first bytes are there, and stay unread.
        stream.peek(&mut [0]).unwrap();
        return None;
    }
    requests.lock().unwrap().push(read_request(&mut stream));
    match turn {
        Turn::Answer(status) => {
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
        Turn::Slow(pause) => {
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" {
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(pause));
            }
        }
        Turn::TakenWithoutBody => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").unwrap();
        }
        Turn::HangUp => return None,
        Turn::HalfOpen | Turn::Reset => {}
    }
    Some(stream)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").unwrap().parse().unwrap();
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return text,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
}

#[tokio::test]
async fn the_request_is_what_the_signature_covers() {
    let server = Server::start(&[TAKEN]);
    server.answer().await.unwrap();
    let [request] = &server.requests()[..] else {
        panic!("{:?}", server.requests());
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head.lines().next(),
        Some("PUT /a%3Ab%7Cc?X-Amz-Signature=5ecre7&x=%2B HTTP/1.1")
    );
    assert_eq!(header(head, "content-type"), Some(""));
    assert_eq!(
        header(head, "content-length"),
        Some(&*body.len().to_string())
    );
    assert_eq!(header(head, "transfer-encoding"), None);
    assert_eq!(header(head, "host"), Some(&*server.address.to_string()));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["Status"], "SUCCESS");
}

#[tokio::test]
async fn whatever_a_connection_does_the_answer_arrives() {
    let rows: [(_, &[Turn], usize); 7] = [
        ("503", &[Turn::Answer("503 Slow Down"), TAKEN], 2),
        ("403", &[Turn::Answer("403 Forbidden"), TAKEN], 2),
        ("reset", &[Turn::Reset, TAKEN], 1),
        ("hang-up", &[Turn::HangUp, TAKEN], 2),
        ("half-open", &[Turn::HalfOpen, TAKEN], 2),
        ("slow", &[Turn::Slow(20)], 1),
        ("too slow", &[Turn::Slow(400), TAKEN], 2),
    ];
    let cases = rows.map(|(name, turns, requests)| async move {
        let server = Server::start(turns);
        let answered = server.answer().await;
        assert!(answered.is_ok(), "{name}: {answered:?}");
        let read = server.requests();
        assert_eq!(read.len(), requests, "{name}: {read:?}");
        assert!(
            read.iter().all(|it| *it == read[0]),
            "{name}: the answers differ"
        );
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let address = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let server = Server {
        address,
        requests: Arc::default(),
    };
    let requests = Arc::clone(&server.requests);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(400));
        let listener = TcpListener::bind(address).unwrap();
        let (stream, _) = listener.accept().unwrap();
        serve(stream, TAKEN, &requests);
    });
    let start = Instant::now();
    server.answer().await.unwrap();
    assert_eq!(server.requests().len(), 1);
    assert!(
        start.elapsed() >= Duration::from_millis(400),
        "it was refused first"
    );
}

#[tokio::test]
async fn a_delivered_answer_is_never_sent_twice() {
    let server = Server::start(&[Turn::TakenWithoutBody]);
    let start = Instant::now();
    server.answer().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "the status is all that counts: {:?}",
        start.elapsed()
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.requests().len(), 1);
}
