//! The exports of a component, looked up once.

use wasmtime::component::{ComponentExportIndex, InstancePre, TypedFunc};
use wasmtime::{Result, Store};

use super::connector::ConnectorCalls;
use super::processor::ProcessorCalls;
use super::{adapter, channel, crm, inward, letter, mail, media, outward, session, signals, types};
use crate::interaction::{Identity, ReasonCode};
use crate::plugin::Contract;
use crate::plugin::connecting::{Answers, Found, Item, Note, Person, Report};
use crate::plugin::exchange::{
    Arrived, Broken, Download, Failure, Fault, FaultKind, Letter, Opening, Outbound, Outcome, Passing, Receipt,
    Received, Request, SessionState, Signal, Step, Verdict,
};
use crate::plugin::host::http::{HttpError, fetch_tokens, prepare};
use crate::plugin::state::CallState;

/// What can be called: what the contract demands, and the rest where the component has it.
pub(in crate::plugin) struct Calls {
    any: InstancePre<CallState>,
    channel: Option<channel::ChannelPre<CallState>>,
    handle_request: Option<ComponentExportIndex>,
    connector: Option<ConnectorCalls>,
    processor: Option<ProcessorCalls>,
    media: Option<media::WithMediaPre<CallState>>,
    signals: Option<signals::WithSignalsPre<CallState>>,
    session: Option<session::WithSessionPre<CallState>>,
    mail: Option<mail::WithMailPre<CallState>>,
}

const ADAPTER: &str = "omnigate:channel/adapter@1.0.0";

/// By itself, since to look up any other function with it costs every webhook a comparison of that one's types.
type HandleRequest<'a> =
    TypedFunc<(&'a types::Context, &'a adapter::Request), (std::result::Result<adapter::Outcome, types::Fault>,)>;

pub(super) type Answer<T> = Result<std::result::Result<T, Failure>>;

impl Calls {
    pub(in crate::plugin) fn of(contract: Contract, pre: InstancePre<CallState>) -> Result<Self> {
        let (mut channel, mut connector, mut processor) = (None, None, None);
        match contract {
            Contract::Channel => channel = Some(channel::ChannelPre::new(pre.clone())?),
            Contract::Connector => connector = Some(ConnectorCalls::of(pre.clone())?),
            Contract::Processor => processor = Some(ProcessorCalls::of(pre.clone())?),
        };
        let handle_request = channel.as_ref().and_then(|_| exported(&pre, ADAPTER, "handle-request"));
        Ok(Self {
            channel,
            handle_request,
            connector,
            media: media::WithMediaPre::new(pre.clone()).ok(),
            signals: signals::WithSignalsPre::new(pre.clone()).ok(),
            session: session::WithSessionPre::new(pre.clone()).ok(),
            mail: mail::WithMailPre::new(pre.clone()).ok(),
            processor,
            any: pre,
        })
    }

    /// Whether the types of all exports are the contract's.
    pub(in crate::plugin) async fn fit(&self, store: &mut Store<CallState>) -> Result<()> {
        let instance = self.any.instantiate_async(&mut *store).await?;
        self.channel.as_ref().map(|_| channel::Channel::new(&mut *store, &instance)).transpose()?;
        self.connector.as_ref().map(|_| crm::Connector::new(&mut *store, &instance)).transpose()?;
        self.processor.as_ref().map(|_| ProcessorCalls::fit(&mut *store, &instance)).transpose()?;
        self.media.as_ref().map(|_| media::WithMedia::new(&mut *store, &instance)).transpose()?;
        self.signals.as_ref().map(|_| signals::WithSignals::new(&mut *store, &instance)).transpose()?;
        self.session.as_ref().map(|_| session::WithSession::new(&mut *store, &instance)).transpose()?;
        self.mail.as_ref().map(|_| mail::WithMail::new(&mut *store, &instance)).transpose()?;
        Ok(())
    }

    /// Instantiates once: what fails here fails always.
    pub(in crate::plugin) async fn try_out(&self, store: &mut Store<CallState>) -> Answer<()> {
        self.any.instantiate_async(store).await?;
        Ok(Ok(()))
    }

    pub(in crate::plugin) async fn handle_request(
        &self,
        store: &mut Store<CallState>,
        request: Request,
    ) -> Answer<Outcome> {
        let Some(index) = &self.handle_request else { return Ok(Err(lacks("adapter"))) };
        let instance = self.any.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, 1);
        let binding = store.data().binding.clone();
        let request = outward::request(request);
        let function: HandleRequest<'_> = instance.get_typed_func(&mut *store, index)?;
        let (answer,) = function.call_async(&mut *store, (&context, &request)).await?;
        let files = std::mem::take(&mut store.data_mut().kept);
        Ok(checked(answer, |outcome| inward::outcome(outcome, &binding).map(|outcome| Outcome { files, ..outcome })))
    }

    pub(in crate::plugin) async fn send(
        &self,
        store: &mut Store<CallState>,
        attempt: u32,
        message: Outbound,
    ) -> Answer<Receipt> {
        let Some(pre) = &self.channel else { return Ok(Err(lacks("adapter"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, attempt);
        store.data_mut().readable.clone_from(&message.files);
        let answer =
            instance.omnigate_channel_adapter().call_send(store, &context, &outward::outbound(message)).await?;
        Ok(checked(answer, inward::receipt))
    }

    /// The request is prepared with the call's own grants and secrets, so that it may leave as it is.
    pub(in crate::plugin) async fn locate(
        &self,
        store: &mut Store<CallState>,
        attempt: u32,
        reference: &str,
    ) -> Answer<Download> {
        let Some(pre) = &self.media else { return Ok(Err(lacks("media"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, attempt);
        let answer = instance.omnigate_channel_media().call_locate(&mut *store, &context, reference).await?;
        let request = match answer {
            Ok(request) => inward::guest_request(request),
            Err(fault) => return Ok(Err(Failure::Fault(inward::fault(fault)))),
        };
        if let Err(error) = fetch_tokens(store.data_mut(), &request).await {
            return Ok(Err(Failure::Fault(no_token(error))));
        }
        let prepared = prepare(store.data(), request).map(|request| Download { request });
        Ok(prepared.map_err(|rule| Failure::Broken(Broken::Contract(rule))))
    }

    pub(in crate::plugin) async fn show(
        &self,
        store: &mut Store<CallState>,
        recipient: Identity,
        last_inbound: Option<&str>,
        signal: Signal,
    ) -> Answer<()> {
        let Some(pre) = &self.signals else { return Ok(Err(lacks("signals"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, 1);
        let (recipient, signal) = (outward::identity(recipient), outward::signal(signal));
        let signals = instance.omnigate_channel_signals();
        let answer = signals.call_show(store, &context, &recipient, last_inbound, &signal).await?;
        Ok(checked(answer, Ok))
    }

    pub(in crate::plugin) async fn open(&self, store: &mut Store<CallState>, opening: Opening) -> Answer<Step> {
        let Some(pre) = &self.session else { return Ok(Err(lacks("session"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, 1);
        let binding = store.data().binding.clone();
        let session = instance.omnigate_channel_session();
        let answer = session.call_open(&mut *store, &context, &outward::opening(opening)).await?;
        let files = std::mem::take(&mut store.data_mut().kept);
        Ok(checked(answer, |step| inward::step(step, &binding).map(|step| Step { files, ..step })))
    }

    pub(in crate::plugin) async fn frame(
        &self,
        store: &mut Store<CallState>,
        state: SessionState,
        frame: &str,
    ) -> Answer<Step> {
        let Some(pre) = &self.session else { return Ok(Err(lacks("session"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, 1);
        let binding = store.data().binding.clone();
        let session = instance.omnigate_channel_session();
        let answer = session.call_frame(&mut *store, &context, &outward::state(state), frame).await?;
        let files = std::mem::take(&mut store.data_mut().kept);
        Ok(checked(answer, |step| inward::step(step, &binding).map(|step| Step { files, ..step })))
    }

    pub(in crate::plugin) async fn receive(&self, store: &mut Store<CallState>, mail: Arrived) -> Answer<Received> {
        let Some(pre) = &self.mail else { return Ok(Err(lacks("mail"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, 1);
        let binding = store.data().binding.clone();
        let answer =
            instance.omnigate_channel_mail().call_receive(&mut *store, &context, &outward::arrived(mail)).await?;
        let files = std::mem::take(&mut store.data_mut().kept);
        Ok(checked(answer, |events| {
            inward::happenings(events, &binding).map(|happenings| Received { happenings, files })
        }))
    }

    pub(in crate::plugin) async fn compose(
        &self,
        store: &mut Store<CallState>,
        attempt: u32,
        message: Outbound,
        answered: Option<String>,
    ) -> Answer<Letter> {
        let Some(pre) = &self.mail else { return Ok(Err(lacks("mail"))) };
        let instance = pre.instantiate_async(&mut *store).await?;
        let context = outward::context(&store.data().binding, attempt);
        let by_id = message.files.values().map(|id| (id.to_string(), *id));
        store.data_mut().readable.extend(by_id);
        let message = outward::outbound_with_files(message);
        let answer =
            instance.omnigate_channel_mail().call_compose(store, &context, &message, answered.as_ref()).await?;
        Ok(checked(answer, letter::letter))
    }

    pub(in crate::plugin) async fn process(&self, store: &mut Store<CallState>, passing: Passing) -> Answer<Verdict> {
        match &self.processor {
            Some(processor) => processor.process(store, passing).await,
            None => Ok(Err(refused("the plugin does not export omnigate:processor/transform".to_owned()))),
        }
    }

    pub(in crate::plugin) async fn deliver(&self, store: &mut Store<CallState>, items: Vec<Item>) -> Answer<Answers> {
        match &self.connector {
            Some(connector) => connector.deliver(store, items).await,
            None => Ok(Err(is_no_connector())),
        }
    }

    pub(in crate::plugin) async fn find(
        &self,
        store: &mut Store<CallState>,
        person: Person,
        known: Option<Note>,
    ) -> Answer<Found> {
        match &self.connector {
            Some(connector) => connector.find(store, person, known).await,
            None => Ok(Err(is_no_connector())),
        }
    }

    pub(in crate::plugin) async fn report(&self, store: &mut Store<CallState>, request: Request) -> Answer<Report> {
        match &self.connector {
            Some(connector) => connector.handle_request(store, request).await,
            None => Ok(Err(is_no_connector())),
        }
    }
}

fn exported(pre: &InstancePre<CallState>, interface: &str, function: &str) -> Option<ComponentExportIndex> {
    let interface = pre.component().get_export_index(None, interface)?;
    pre.component().get_export_index(Some(&interface), function)
}

pub(super) fn checked<G, T>(
    answer: std::result::Result<G, types::Fault>,
    check: impl FnOnce(G) -> std::result::Result<T, inward::Broken>,
) -> std::result::Result<T, Failure> {
    let answer = answer.map_err(|fault| Failure::Fault(inward::fault(fault)))?;
    check(answer).map_err(|rule| Failure::Broken(Broken::Contract(rule)))
}

fn no_token(error: HttpError) -> Fault {
    let (kind, message) = match error {
        HttpError::Credentials(why) => (FaultKind::Unauthorized, why),
        _ => (FaultKind::Unavailable, "no token could be fetched".to_owned()),
    };
    Fault { kind, message, reason: Some(ReasonCode::Credentials), code: None, retry_after: None }
}

fn lacks(interface: &str) -> Failure {
    refused(format!("the plugin does not export omnigate:channel/{interface}"))
}

fn is_no_connector() -> Failure {
    refused("the plugin does not export omnigate:connector/crm".to_owned())
}

fn refused(message: String) -> Failure {
    Failure::Fault(Fault { kind: FaultKind::Unsupported, message, reason: None, code: None, retry_after: None })
}
