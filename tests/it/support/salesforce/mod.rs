use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::webhook::Webhook;
use super::{Call, Mood, Object, Provider, ProviderAnswer};

mod org;
mod questions;

use org::Org;

/// A small Salesforce as its documents describe it: sessions that end, records by external id, collections of which a part
/// succeeds, locks, rules, quotas, an index that lags. It refuses what the real one would.
pub struct Salesforce {
    provider: Provider,
    org: Arc<Mutex<Org>>,
}

impl Salesforce {
    pub const KEY: &str = "Omnigate_Id__c";
    pub const MESSAGE_KEY: &str = "outbound-message-key-0123456789";
    pub const ORGANIZATION: &str = "00D000000000001EAA";
    const TOKEN: &str = "/services/oauth2/token";

    pub async fn start() -> Self {
        let org = Arc::new(Mutex::new(Org::new()));
        let shared = org.clone();
        let provider = Provider::start(move |call| shared.lock().unwrap().answer(call)).await;
        Self { provider, org }
    }

    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    pub fn token_url(&self) -> String {
        format!("http://{}{}", self.provider.address(), Self::TOKEN)
    }

    pub fn behave(&self, mood: Mood) {
        self.org().mood = mood;
    }

    /// The session is over: nobody may do anything with its token any more.
    pub fn ends_session(&self) {
        self.org().ends_session();
    }

    /// Every second record that is written is locked by somebody else.
    pub fn locks(&self, locks: bool) {
        self.org().locks = locks;
    }

    /// A record that somebody typed in long ago; the search finds it.
    pub fn has(&self, object: &str, fields: Value) -> String {
        self.org().typed_in(object, fields.as_object().unwrap().clone())
    }

    /// Somebody changes a record there.
    pub fn changes(&self, id: &str, fields: Value) {
        self.org().get(id).unwrap().properties.extend(fields.as_object().unwrap().clone());
    }

    /// Everything of a kind that is there, in order of creation.
    pub fn all(&self, object: &str) -> Vec<Object> {
        self.org().there().filter(|record| record.kind == object).cloned().collect()
    }

    pub fn removes(&self, id: &str) {
        self.org().get(id).unwrap().properties.insert("IsDeleted".into(), true.into());
    }

    /// What belonged to the first belongs to the second.
    pub fn merges(&self, from: &str, into: &str) {
        let mut org = self.org();
        for record in &mut org.records {
            for field in ["WhoId", "ContactId"] {
                if record.text(field) == from {
                    record.properties.insert(field.into(), into.into());
                }
            }
        }
        let gone = org.get(from).unwrap();
        gone.properties
            .extend(Map::from_iter([("IsDeleted".into(), true.into()), ("MasterRecordId".into(), into.into())]));
    }

    /// Waits until `look` finds what it looks for.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        self.provider.wait_for(what, |_| look(self)).await
    }

    /// Calls of the API, without those for tokens.
    pub fn calls(&self) -> Vec<Call> {
        self.provider.calls().into_iter().filter(|call| call.path != Self::TOKEN).collect()
    }

    /// Tells a connector that contacts changed.
    pub fn outbound_message(connector: &str, key: &str, contacts: &[&str]) -> Webhook {
        let notification = |id: &&str| {
            format!(
                r#"<Notification><Id>04l000000000001AAA</Id><sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{id}</sf:Id></sObject></Notification>"#
            )
        };
        let notifications: String = contacts.iter().map(notification).collect();
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{}</OrganizationId><ActionId>04k000000000001AAA</ActionId><SessionId xsi:nil="true"/>{notifications}</notifications></soapenv:Body></soapenv:Envelope>"#,
            Self::ORGANIZATION
        );
        let headers = vec![("content-type".to_owned(), "text/xml; charset=utf-8".to_owned())];
        Webhook { path: format!("/connectors/{connector}?key={key}"), headers, body: body.into() }
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.org.lock().unwrap()
    }
}

fn error(status: u16, code: &str, message: &str) -> ProviderAnswer {
    ProviderAnswer::json(status, &json!([{"errorCode": code, "message": message}]).to_string())
}
