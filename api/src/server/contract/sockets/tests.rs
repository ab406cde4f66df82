//! A feed against a reader that does not keep up.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::broadcast;

use super::*;

/// A reader that says nothing, and takes so many messages.
struct Reader {
    taken: Vec<Message>,
    most: usize,
}

impl Stream for Reader {
    type Item = Result<Message, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Reader {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.taken.len() < self.most { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        self.taken.push(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

fn upload(distribution: &str) -> Arc<UploadView> {
    Arc::new(UploadView {
        distribution: distribution.to_owned(),
        version: "1.0".to_owned(),
        author: "PREACTION".to_owned(),
        filename: format!("{distribution}-1.0.tar.gz"),
        released_at: "2016-11-19T03:03:20Z".parse().unwrap(),
    })
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_sent_away() {
    let mut reader = Reader { taken: Vec::new(), most: 0 };
    let sent = send(&mut reader, Message::text("{}"), Duration::from_millis(10)).await;
    assert!(sent.is_err());
    assert_eq!(reader.taken, Vec::new());
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_so_with_a_code() {
    let (sender, receiver) = broadcast::channel(2);
    for number in 0..5 {
        sender.send(upload(&format!("Foo-{number}"))).unwrap();
    }
    let mut reader = Reader { taken: Vec::new(), most: 10 };
    follow_uploads(&mut reader, receiver, UploadFilter::default(), Duration::from_secs(60)).await;
    let frame = reader.taken.iter().find_map(|message| match message {
        Message::Close(frame) => frame.clone(),
        _ => None,
    });
    let frame = frame.expect("a farewell");
    assert_eq!(frame.code, 1013);
    assert!(frame.reason.as_str().starts_with("3 uploads were missed"), "{}", frame.reason.as_str());
}

#[tokio::test]
async fn a_frame_is_an_upload_that_was_asked_for() {
    let (sender, receiver) = broadcast::channel(16);
    sender.send(upload("Bar")).unwrap();
    sender.send(upload("My-Dist")).unwrap();
    // The feed ends with its source.
    drop(sender);
    let mut reader = Reader { taken: Vec::new(), most: 10 };
    let filter = UploadFilter { distribution: Some("My-Dist".to_owned()), ..UploadFilter::default() };
    follow_uploads(&mut reader, receiver, filter, Duration::from_secs(60)).await;
    let texts = reader.taken.iter().filter_map(|message| match message {
        Message::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let wanted = r#"{"dist":"My-Dist","version":"1.0","author":"PREACTION","filename":"My-Dist-1.0.tar.gz","released":"2016-11-19T03:03:20Z"}"#;
    assert_eq!(texts.collect::<Vec<&str>>(), [wanted]);
}
