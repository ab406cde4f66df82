//! `POST /v3/report` answers as today's server does (contract §1.5, §11.2).

use serde_json::Value;

use crate::server::Server;
use crate::submissions::{Made, fixture_json};

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_submission_gets_the_answer_of_today() {
    let server = Server::start();
    let recorded = fixture_json("peer-answers/api.json");
    let posts: Vec<&Value> = recorded.as_array().unwrap().iter().filter(|asked| asked["method"] == "POST").collect();
    assert_eq!(posts.len(), 12);
    for asked in posts {
        let mut request = server.client.post(server.at(asked["path"].as_str().unwrap()));
        for (name, value) in asked["req_headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let answer = server.ask(request.body(asked["req_body"].as_str().unwrap().to_owned())).await;
        assert_eq!(answer.status, asked["status"], "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/json");
        let today: Value = serde_json::from_str(asked["body"].as_str().unwrap()).unwrap();
        match answer.status {
            201 => {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                assert_eq!(answer.json().as_object().unwrap().len(), 1);
                assert_ne!(Some(&*id), today["id"].as_str());
                let receipt = server.json(&format!("/v4/reports/{id}/receipt?wait=30")).await;
                assert_eq!(receipt["state"], "processed");
            }
            _ => assert_eq!(answer.json(), today),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_gives_its_own_id_and_keeps_the_senders_time() {
    let server = Server::start();
    let mut report = Made::default().json();
    report["created"] = "2016-08-19T12:34:56Z".into();
    let own = report["id"].as_str().unwrap().to_owned();
    let mut ids = vec![own.clone()];
    for _ in 0..2 {
        let answer = server.post("/v3/report", "application/json", report.to_string()).await;
        assert_eq!(answer.status, 201);
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    server.settle().await;
    assert_eq!(server.get(&format!("/v4/reports/{own}")).await.status, 404);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "two submissions are two reports");
    for row in server.lines("/v4/results").await {
        assert_eq!(row["created_at"], "2016-08-19T12:34:56Z");
    }
    let report =
        server.json(&format!("/v4/reports/{}", ids.iter().find(|id| **id != own).unwrap().to_uppercase())).await;
    assert_eq!((&report["door"], &report["state"]), (&"v3".into(), &"processed".into()));
}
