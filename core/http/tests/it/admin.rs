//! The operator's token.

use crate::{Running, client, site};
use axum::{Router, middleware::from_fn_with_state, routing::get};
use nexus_http::{AdminToken, guard_admin};

async fn start(token: Option<&str>) -> Running {
    let guard = from_fn_with_state(AdminToken::new(token), guard_admin);
    Running::start(site(Router::new().route("/", get(|| async { "in" })).layer(guard))).await
}

async fn ask(port: &Running, authorization: Option<&str>) -> (u16, String) {
    let request =
        authorization.iter().fold(client().get(&port.url), |request, text| request.header("authorization", *text));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn only_the_token_opens() {
    let port = start(Some("open sesame")).await;
    assert_eq!(ask(&port, Some("Bearer open sesame")).await, (200, "in".into()));
    let refused = (401, r#"{"error":"the admin token is missing or wrong"}"#.into());
    for wrong in [None, Some("Bearer open"), Some("Bearer "), Some("open sesame"), Some("Basic open sesame")] {
        assert_eq!(ask(&port, wrong).await, refused, "{wrong:?}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_let_in() {
    for token in [None, Some("")] {
        let port = start(token).await;
        for shown in [None, Some("Bearer "), Some("Bearer x")] {
            assert_eq!(ask(&port, shown).await.0, 403);
        }
    }
}

#[test]
fn the_token_is_not_shown() {
    assert_eq!(format!("{:?}", AdminToken::new(Some("secret"))), "AdminToken(set)");
}
