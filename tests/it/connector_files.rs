//! Files of messages in a CRM: each once, whatever happens in between.

use bytes::Bytes;
use serde_json::json;

use crate::support::{
    Call, Client, ConfigBuilder, Gateway, HubSpot, Mood, Object, Provider, ProviderAnswer, Telegram, Twilio, Upload,
};

pub(crate) const SMS: Twilio = Twilio("sms");
const BOT: Telegram = Telegram("bot");
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn config(crm: &HubSpot, provider: &Provider) -> ConfigBuilder {
    ConfigBuilder::new().twilio(&SMS, Some(provider)).hubspot("crm", crm).retries(&["200ms"; 50])
}

pub(crate) fn picture(_: &Call) -> ProviderAnswer {
    let headers = vec![("content-type".to_owned(), "image/png".to_owned())];
    ProviderAnswer { status: 200, headers, body: Bytes::from_static(PNG), close: false }
}

fn expected() -> Upload {
    let (name, folder, access) = ("image.png".into(), "/omnigate".into(), "PRIVATE".into());
    Upload { name, folder, access, content: PNG.to_vec() }
}

/// An MMS with so many files at the provider.
pub(crate) async fn shows(client: &Client, provider: &Provider, sid: &str, files: usize) {
    let of = |number| {
        let url = format!("http://{}/files/{sid}/{number}", provider.address());
        [(format!("MediaUrl{number}"), url), (format!("MediaContentType{number}"), "image/png".to_owned())]
    };
    let (count, media) = (files.to_string(), (0..files).flat_map(of).collect::<Vec<_>>());
    let mut fields = vec![
        ("AccountSid", Twilio::ACCOUNT),
        ("MessageSid", sid),
        ("From", "+15550100123"),
        ("To", Twilio::NUMBER),
        ("NumMedia", &count),
        ("Body", sid),
    ];
    fields.extend(media.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    SMS.form(&fields).send(client).await.expect(200);
}

fn uploads(crm: &HubSpot) -> usize {
    crm.provider().calls().iter().filter(|call| call.path == "/files/2026-03/files").count()
}

/// The note beside the message of that text, once it is bound to the contact.
async fn note(crm: &HubSpot) -> Object {
    crm.wait_for("a note bound to the contact", |crm| {
        let (note, contact) = (crm.all("notes").pop()?, crm.all("contacts").pop()?);
        crm.is_bound(&note, &contact).then_some(note)
    })
    .await
}

#[tokio::test]
async fn a_file_that_comes_late_is_attached_and_uploaded_once_through_a_kill() {
    let crm = HubSpot::start().await;
    let mut asked = 0;
    let provider = Provider::start(move |call| {
        asked += 1;
        if asked < 3 { ProviderAnswer::json(500, "{}") } else { picture(call) }
    })
    .await;
    crm.behave(Mood::Unwritable);
    let gateway = Gateway::start(config(&crm, &provider)).await;
    shows(&gateway.client(), &provider, "MM1", 1).await;
    let is_refused = |calls: &[Call]| calls.iter().any(|call| call.path.contains("communications")).then_some(());
    crm.provider().wait_for("a refused communication", is_refused).await;
    assert_eq!(uploads(&crm), 1, "the file is there, the message is not");
    let gateway = gateway.kill().start().await;
    crm.behave(Mood::Fine);
    let note = note(&crm).await;
    assert_eq!(crm.attached(&note), [expected()]);
    assert_eq!(uploads(&crm), 1);
    let messages = crm.all("communications");
    assert_eq!(messages.len(), 1);
    assert!(messages[0].text("hs_communication_body").contains("File: image/png"), "{messages:#?}");
    drop(gateway);
}

#[tokio::test]
async fn a_lost_answer_leaves_one_file() {
    let (crm, provider) = (HubSpot::start().await, Provider::start(picture).await);
    crm.behave(Mood::ForgetfulOfFiles);
    provider.behave(|call| ProviderAnswer { body: [PNG, call.path.as_bytes()].concat().into(), ..picture(call) });
    let gateway = Gateway::start(config(&crm, &provider)).await;
    shows(&gateway.client(), &provider, "MM1", 3).await;
    let expected = |number| {
        let content = [PNG, format!("/files/MM1/{number}").as_bytes()].concat();
        Upload { content, ..expected() }
    };
    assert_eq!(crm.attached(&note(&crm).await), [expected(0), expected(1), expected(2)]);
    assert_eq!((crm.files(), uploads(&crm)), (3, 6), "each answer was lost once");
    assert_eq!((crm.all("notes").len(), crm.all("communications").len(), crm.all("contacts").len()), (1, 1, 1));
}

#[tokio::test]
async fn a_file_that_is_too_large_or_gone_stays_a_name() {
    let crm = HubSpot::start().await;
    let provider = Provider::start(|call| match call.path.as_str() {
        "/files/MM1/0" => ProviderAnswer::json(404, "{}"),
        _ => picture(call),
    })
    .await;
    let config = config(&crm, &provider);
    let settings = json!({"api_base": format!("http://{}", crm.provider().address()), "file_bytes_max": 4});
    let gateway = Gateway::start(config.set("connectors.crm", "settings", settings)).await;
    shows(&gateway.client(), &provider, "MM1", 2).await;
    let written = crm.wait_for("the message", |crm| crm.all("communications").pop()).await;
    assert_eq!(written.text("hs_communication_body").matches("File: image/png").count(), 2, "{written:#?}");
    gateway.log.line("a file is not uploaded").await;
    assert_eq!((uploads(&crm), crm.all("notes").len()), (0, 0));
}

#[tokio::test]
async fn many_files_go_in_several_calls_and_every_message_keeps_its_own() {
    const MESSAGES: u64 = 30;
    let (crm, provider) = (HubSpot::start().await, Provider::start(picture).await);
    crm.behave(Mood::Down);
    let gateway = Gateway::start(config(&crm, &provider).telegram(&BOT, Some(&provider))).await;
    let client = gateway.client().keeping_its_connection();
    provider.behave(|call| match call.path.rsplit_once("getFile") {
        Some(_) => {
            let id: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
            let path = format!("photos/{}", id["file_id"].as_str().unwrap());
            ProviderAnswer::json(200, &json!({"ok": true, "result": {"file_id": "x", "file_path": path}}).to_string())
        }
        None => ProviderAnswer { body: call.path.clone().into(), ..picture(call) },
    });
    for update in 1..=MESSAGES {
        let photo = json!([{"file_id": format!("F{update}"), "file_unique_id": "u", "width": 1, "height": 1}]);
        let from = json!({"id": update, "is_bot": false, "first_name": "Ann"});
        let message = json!({"message_id": update, "date": 1_777_713_304, "chat": {"id": update, "type": "private"},
            "from": from, "photo": photo, "caption": format!("{update}")});
        BOT.update(&json!({"update_id": update, "message": message})).send(&client).await.expect(200);
    }
    crm.behave(Mood::Fine);
    client.call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    crm.wait_for("all notes", |crm| (crm.all("notes").len() as u64 == MESSAGES).then_some(())).await;
    for note in crm.all("notes") {
        let number = note.text("hs_note_body").split("<br>").next().unwrap().to_owned();
        let attached = crm.attached(&note);
        let content: Vec<_> = attached.iter().map(|file| String::from_utf8_lossy(&file.content).into_owned()).collect();
        assert_eq!(content.len(), 1, "{note:#?}");
        assert!(content[0].ends_with(&format!("photos/F{number}")), "{number}: {content:?}");
    }
    assert_eq!(crm.refused(), 0, "never beyond the limit");
}
