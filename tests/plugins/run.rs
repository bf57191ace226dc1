//! Runs one case in the sandbox, against a recording peer.

use std::path::Path;
use std::sync::Arc;

use omnigate::config::{self, Limits};
use omnigate::egress::Egress;
use omnigate::interaction::Time;
use omnigate::plugin::exchange::{Arrived, Called, Opening, Outcome, Received, SessionState, Signal};
use omnigate::plugin::{Binding, Plugin, Plugins, Tools};
use serde_json::{Value, json};

use crate::bind::bind;
use crate::case::{self, Case};
use crate::given::{answer, item, mail, message, passing, person, request};
use crate::peer::Peer;
use crate::services::CaseServices;
use crate::shown::{
    shown, shown_answer, shown_call, shown_download, shown_letter, shown_outcome, shown_step, with_files,
};

pub struct Runner {
    plugins: Plugins,
    services: Arc<CaseServices>,
    limits: Limits,
}

impl Runner {
    pub fn new(directory: &Path) -> Self {
        let limits = config::Config::parse("", Path::new("."), &|_| None).unwrap().config.plugins.limits;
        let services = Arc::new(CaseServices::default());
        let tools = Tools { egress: Arc::new(Egress::new()), services: services.clone() };
        let plugins = Plugins::new(directory, &limits, None, tools).unwrap();
        let refused: Vec<String> =
            plugins.refresh().iter().map(|r| format!("{}: {}", r.file.display(), r.error)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        Self { plugins, services, limits }
    }

    pub async fn run(&self, plugin: &str, path: &Path) -> Value {
        let text = std::fs::read_to_string(path).unwrap();
        let mut case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plugin = self.plugins.get(plugin).unwrap_or_else(|| panic!("{plugin} is not built: cargo xtask build"));
        let peer = Peer::scripted(case.provider.iter().map(|one| answer(one, path)).collect()).await;
        let beside = beside(&mut case, path);
        if let Some(request) = &mut case.request {
            request.body = request.body.replace("{peer}", &peer.url());
        }
        let binding = Arc::new(bind(&case, &plugin, &peer, path, &self.limits));
        self.services.reset(&case);
        let (result, authentic) = call(&plugin, &binding, case, path).await;
        let hide = |text: String| {
            let text = text.replace(&peer.url(), "{peer}").replace(&peer.address.to_string(), "{peer}");
            beside.iter().fold(text, |text, (name, value)| text.replace(value, &format!("\"{{{name}}}\"")))
        };
        let mut outcome = result;
        outcome["authentic"] = authentic.into();
        outcome["provider_calls"] = peer.calls().iter().map(shown_call).collect();
        outcome["kv"] = self.services.kept();
        outcome["pushed"] = self.services.pushed.lock().unwrap().drain(..).collect();
        outcome.as_object_mut().unwrap().retain(|_, value| *value != json!([]) && *value != json!({}));
        serde_json::from_str(&hide(outcome.to_string())).unwrap()
    }

    /// A channel of an adapter that reads mails; the case says how it is configured.
    pub async fn mailbox(&self, plugin: &str, case: &str) -> Mailbox<'_> {
        let case: Case = toml::from_str(case).unwrap();
        let plugin = self.plugins.get(plugin).unwrap_or_else(|| panic!("{plugin} is not built: cargo xtask plugins"));
        let peer = Peer::scripted(Vec::new()).await;
        let binding = Arc::new(bind(&case, &plugin, &peer, Path::new("case"), &self.limits));
        Mailbox { runner: self, plugin, binding, case }
    }
}

/// Hands mails to an adapter.
pub struct Mailbox<'a> {
    runner: &'a Runner,
    plugin: Arc<Plugin>,
    binding: Arc<Binding>,
    case: Case,
}

impl Mailbox<'_> {
    pub fn limits(&self) -> &Limits {
        &self.runner.limits
    }

    pub async fn receive(&self, raw: &[u8]) -> Called<Received> {
        self.runner.services.reset(&self.case);
        let mail = Arrived { id: "1.1".into(), at: Time::from_ms(0), raw: raw.to_vec() };
        self.plugin.receive(&self.binding, mail).await
    }
}

async fn call(plugin: &Plugin, binding: &Arc<Binding>, case: Case, path: &Path) -> (Value, bool) {
    let attempt = case.attempt;
    match case.call {
        case::Call::HandleRequest => {
            let request = request(case.request.expect("[request]"), &case.secrets, binding);
            shown(plugin.handle_request(binding, request).await, |outcome| shown_outcome(&outcome))
        }
        case::Call::Send => {
            let message = message(case.message.expect("[message]"), &case.files);
            shown(plugin.send(binding, attempt, message).await, |receipt| json!(receipt))
        }
        case::Call::Locate => {
            let reference = case.reference.expect("reference");
            shown(plugin.locate(binding, attempt, &reference).await, |download| shown_download(&download.request))
        }
        case::Call::Show => {
            let signal = case.signal.expect("[signal]");
            let what = signal.read.map_or_else(|| Signal::Typing(signal.typing.unwrap_or(true)), Signal::Read);
            let called = plugin.show(binding, signal.recipient, signal.last_inbound.as_deref(), what).await;
            shown(called, |()| json!({}))
        }
        case::Call::Open => {
            let opening = case.opening.unwrap_or_default();
            let headers = opening.headers.into_iter().collect();
            let opening = Opening { query: opening.query, origin: opening.origin, headers };
            shown(plugin.open(binding, opening).await, |step| shown_step(&step))
        }
        case::Call::Frame => {
            let state = case.state.expect("[state]");
            let state = SessionState { address: state.address, memory: state.memory };
            let frame = case.frame.expect("frame");
            shown(plugin.frame(binding, state, &frame).await, |step| shown_step(&step))
        }
        case::Call::Receive => {
            let mail = mail(case.mail.expect("[mail]"), path);
            shown(plugin.receive(binding, mail).await, |received| {
                with_files(json!({"events": received.happenings}), &received.files)
            })
        }
        case::Call::Process => {
            let passing = passing(case.passing.expect("[passing]"), &case.channel);
            shown(plugin.process(binding, passing).await, |verdict| json!(verdict))
        }
        case::Call::Compose => {
            let message = message(case.message.expect("[message]"), &case.files);
            let answered = case.answered.map(|event| event.to_string());
            shown(plugin.compose(binding, attempt, message, answered).await, |letter| shown_letter(&letter))
        }
        case::Call::Deliver => {
            let items = case.items.into_iter().map(|one| item(one, attempt, &case.files)).collect();
            shown(plugin.deliver(binding, items).await, |answers| answers.into_iter().map(shown_answer).collect())
        }
        case::Call::Find => {
            let person = person(case.person.expect("[person]"));
            shown(plugin.find(binding, person, case.known).await, |found| json!(found))
        }
        case::Call::Report => {
            let request = request(case.request.expect("[request]"), &case.secrets, binding);
            shown(plugin.report(binding, request).await, |report| {
                let outcome = Outcome { reply: report.reply, happenings: Vec::new(), files: Vec::new() };
                json!({"reply": shown_outcome(&outcome)["reply"], "changes": report.changes})
            })
        }
    }
}

/// Puts what lies in files into the channel's memory; tells names and texts (in JSON).
fn beside(case: &mut Case, path: &Path) -> Vec<(String, String)> {
    let files = std::mem::take(&mut case.kv_files).into_iter().map(|(key, name)| {
        let text = std::fs::read_to_string(path.with_file_name(&name)).unwrap();
        case.kv.insert(key, text.clone());
        (name, Value::from(text).to_string())
    });
    files.collect()
}
