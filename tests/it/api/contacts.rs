use super::{NOBODY, SMS, heard, id, start};

#[tokio::test]
async fn a_contact_is_found_by_every_identity() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    SMS.sms("SM01", "+15550100123", "hi").send(&client).await.expect(200);
    let found = client.get("/v1/contacts?identity=tel:+15550100123").await.expect(200).json();
    assert_eq!(found["identities"][0]["value"], "+15550100123");
    assert_eq!(client.get("/v1/contacts?identity=tel:%2B15550100123").await.expect(200).json(), found);
    let contact = id(&found["id"]);
    assert_eq!(client.get(&format!("/v1/contacts/{contact}")).await.expect(200).json(), found);
    let conversation =
        client.get(&format!("/v1/conversations/{}", id(&found["conversation_id"]))).await.expect(200).json();
    assert_eq!((&conversation["contact_id"], &conversation["channels"][0]), (&found["id"], &"sms".into()));
}

#[tokio::test]
async fn the_timeline_is_newest_first() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    for update in 1..=3 {
        heard(&client, update, &format!("m{update}")).await;
    }
    let contact = super::newest(&client).await["data"]["contact"]["id"].clone();
    let path = format!("/v1/contacts/{}/timeline", id(&contact));
    let first = client.get(&format!("{path}?limit=2")).await.expect(200).json();
    let texts: Vec<_> = (0..2).map(|n| first["interactions"][n]["data"]["message"]["text"].clone()).collect();
    assert_eq!(texts, ["m3", "m2"]);
    let rest = client.get(&format!("{path}?after={}", id(&first["next"]))).await.expect(200).json();
    assert_eq!(rest["interactions"][0]["data"]["message"]["text"], "m1");
}

#[tokio::test]
async fn who_is_not_there_is_told() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let nobody = "there is no contact with this identity";
    client.get("/v1/contacts?identity=tel:+15550100199").await.expect_problem(404, "not-found", nobody);
    let detail = format!("there is no contact {NOBODY}");
    client.get(&format!("/v1/contacts/{NOBODY}")).await.expect_problem(404, "not-found", &detail);
    client.get(&format!("/v1/contacts/{NOBODY}/timeline")).await.expect_problem(404, "not-found", &detail);
    let detail = format!("there is no conversation {NOBODY}");
    client.get(&format!("/v1/conversations/{NOBODY}")).await.expect_problem(404, "not-found", &detail);
    client.get("/v1/contacts").await.expect_problem(422, "invalid", "query: missing field `identity`");
    let rule = "query: identity: must be scheme:value, such as tel:+15551234567";
    client.get("/v1/contacts?identity=x").await.expect_problem(422, "invalid", rule);
}
