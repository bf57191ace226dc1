use super::*;
use crate::host::fake::Fake;

const ID: &str = "0198c0de-0000-7000-8000-0000000000ff";

fn message_id() -> String {
    Token::new(&Fake::default(), ID, "Order 7").unwrap().message_id_at("example.com")
}

fn told(raw: &str) -> Option<Vec<Event>> {
    let raw = raw.replace("{id}", &message_id());
    let mail = Mail::read(raw.as_bytes());
    let sender = mail.headers.addresses("from").remove(0);
    events(&Fake::default(), &mail, &sender).unwrap()
}

fn statuses(raw: &str) -> Vec<(DeliveryState, String, Option<ReasonCode>)> {
    let statuses = told(raw).unwrap_or_default().into_iter().map(|event| match event {
        Event::Status(status) => {
            assert_eq!(status.message_id.as_deref(), Some(ID));
            (status.state, status.recipient.unwrap().value, status.reason.map(|reason| reason.code))
        }
        other => panic!("{other:?}"),
    });
    statuses.collect()
}

fn report(kind: &str, part: &str, returned: &str) -> String {
    format!(
        "From: MAILER-DAEMON@x.org\nReturn-Path: <>\nContent-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\n\nSorry.\n\
         --b\n{part}\n--b\nContent-Type: text/rfc822-headers\n\n{returned}\n--b--\n"
    )
}

fn delivery(recipients: &str, returned: &str) -> String {
    report(
        "delivery-status",
        &format!("Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n{recipients}"),
        returned,
    )
}

const FAILED: &str = "Final-Recipient: rfc822; ana@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n";

#[test]
fn a_delivery_report_names_each_recipient() {
    let two = format!("{FAILED}\nFinal-Recipient: rfc822;bob@example.org\nAction: delayed\nStatus: 4.4.1\n");
    let raw = delivery(&two, "Message-ID: <{id}>\nTo: ana@example.org, bob@example.org\n");
    assert_eq!(
        statuses(&raw),
        [
            (DeliveryState::Failed, "ana@example.org".to_owned(), Some(ReasonCode::InvalidRecipient)),
            (DeliveryState::Sent, "bob@example.org".to_owned(), Some(ReasonCode::Unreachable)),
        ]
    );
}

#[test]
fn a_lost_copy_is_no_lost_message() {
    let raw = delivery(FAILED, "Message-ID: <{id}>\nTo: bob@example.org\nCc: ana@example.org\n");
    assert_eq!(statuses(&raw)[0].0, DeliveryState::Sent);
}

#[test]
fn whoever_passes_his_mail_on_does_not_get_it() {
    let raw = delivery(FAILED, "Message-ID: <{id}>\nTo: bob@example.org\nCc: carl@example.org\n");
    assert_eq!(statuses(&raw)[0].0, DeliveryState::Failed, "nobody else was written to by that name");
    let raw = delivery(FAILED, "Message-ID: <{id}>\n");
    assert_eq!(statuses(&raw)[0].0, DeliveryState::Failed);
}

#[test]
fn a_notice_that_quotes_the_message_tells_copies() {
    let notice = |head: &str| {
        format!(
            "From: MAILER-DAEMON@x.org\nReturn-Path: <>\n\nHi. This is the qmail-send program at x.org.\n\n<ana@example.org>:\n\
             550 5.1.1 user unknown\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <support@example.com>\n\
             Message-ID: <{{id}}>\n{head}\n\nHello"
        )
    };
    assert_eq!(statuses(&notice("To: bob@example.org\nCc: ana@example.org"))[0].0, DeliveryState::Sent);
    assert_eq!(statuses(&notice("To: ana@example.org\nCc: bob@example.org"))[0].0, DeliveryState::Failed);
}

#[test]
fn ids_that_a_provider_replaced_are_found() {
    for returned in [
        "Message-ID: <new@x>\nX-Microsoft-Original-Message-ID: <{id}>\n",
        "Message-ID: <new@x>\nReferences: <a@x> <t.{id}>\n",
    ] {
        assert_eq!(statuses(&delivery(FAILED, returned)).len(), 1, "{returned}");
    }
}

#[test]
fn reports_on_messages_of_others_are_no_receipts() {
    assert_eq!(told(&delivery(FAILED, "Message-ID: <other@x>\n")), None);
    let forged = message_id().replacen('0', "1", 1);
    assert_eq!(told(&delivery(FAILED, &format!("Message-ID: <{forged}>\n"))), None);
}

#[test]
fn a_precise_code_in_the_words_of_the_server_counts() {
    let vague = FAILED.replace("Status: 5.1.1", "Status: 5.0.0").replace("550 5.1.1", "552 5.2.2");
    let raw = delivery(&vague, "Message-ID: <{id}>\n");
    assert_eq!(statuses(&raw)[0].2, Some(ReasonCode::Unreachable));
}

#[test]
fn reading_is_a_receipt_and_deleting_is_none() {
    let part = |word: &str| {
        format!(
            "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; ana@example.org\nOriginal-Message-ID: <{{id}}>\n\
                 Disposition: manual-action/MDN-sent-manually; {word}\n"
        )
    };
    let raw = report("disposition-notification", &part("displayed"), "");
    assert_eq!(statuses(&raw), [(DeliveryState::Read, "ana@example.org".to_owned(), None)]);
    assert_eq!(told(&report("disposition-notification", &part("deleted"), "")), None);
}

#[test]
fn a_complaint_takes_the_consent_back() {
    let part = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x\nVersion: 1\n";
    let told = told(&report("feedback-report", part, "Message-ID: <{id}>\nTo: ana@example.org\n")).unwrap();
    assert!(
        matches!(&told[..], [Event::Consent(consent)] if !consent.granted && consent.sender.value == "ana@example.org"),
        "{told:?}"
    );
}

#[test]
fn notices_that_follow_no_standard() {
    let qmail = "From: MAILER-DAEMON@x.org\nReturn-Path: <>\nSubject: failure notice\n\nHi. This is the qmail-send program at x.org.\n\
                 I'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ana@example.org>:\n\
                 192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 user unknown\n\n--- Below this line is a copy of the message.\n\n\
                 Return-Path: <support@example.com>\nMessage-ID: <{id}>\n";
    let exim = "From: Mail Delivery System <Mailer-Daemon@x.org>\nX-Failed-Recipients: ana@example.org\nAuto-Submitted: auto-replied\n\n\
                This message was created automatically by mail delivery software.\n\n  ana@example.org\n    mailbox is full\n\n\
                ------ This is a copy of the message, including all the headers. ------\n\nMessage-ID: <{id}>\n";
    let exchange = "From: Microsoft Outlook <postmaster@x.org>\nReturn-Path: <>\nIn-Reply-To: <{id}>\nContent-Type: text/html\n\n\
                    <p>Your message wasn&#8217;t delivered to ana@example.org</p><p>ana@example.org</p><p>The address couldn't be found</p>";
    let delayed = "From: mailer-daemon@x.org\nIn-Reply-To: <{id}>\n\nDelivery incomplete\nana@example.org\nGmail will retry for 46 more hours.";
    let one = |raw: &str| statuses(raw).remove(0);
    let to = "ana@example.org".to_owned();
    assert_eq!(one(qmail), (DeliveryState::Failed, to.clone(), Some(ReasonCode::InvalidRecipient)));
    assert_eq!(one(exim), (DeliveryState::Failed, to.clone(), Some(ReasonCode::Unreachable)));
    assert_eq!(one(exchange), (DeliveryState::Failed, to.clone(), Some(ReasonCode::InvalidRecipient)));
    assert_eq!(one(delayed), (DeliveryState::Sent, to, Some(ReasonCode::Unreachable)));
}

#[test]
fn what_a_person_quotes_is_no_notice() {
    let raw = "From: ann@x.org\nIn-Reply-To: <{id}>\nSubject: Re: x\n\nI got: This is the qmail-send program. 550 user unknown";
    assert_eq!(told(raw), None);
}
