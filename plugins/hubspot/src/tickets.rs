//! A ticket for each conversation, where a pipeline is configured.

use omnigate_plugin::interaction::Interaction;
use omnigate_plugin::{Fault, Value};

use crate::activities::title;
use crate::api::{Api, Properties, Refusal};

const KIND: &str = "tickets";

/// The ticket that a conversation opens.
pub(crate) fn opened(api: &Api, event: &Interaction, conversation: &str) -> Option<Properties> {
    let pipeline = api.settings.pipeline.as_ref()?;
    let properties: [(&str, Value); 4] = [
        (api.key(), conversation.into()),
        ("subject", title(event, event.data.message.as_ref()).into()),
        ("hs_pipeline", pipeline.as_str().into()),
        ("hs_pipeline_stage", api.settings.stage.as_str().into()),
    ];
    Some(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Moves the ticket of a conversation to where closed ones are.
pub(crate) fn close(api: &Api, conversation: &str) -> Result<(), Fault> {
    let (Some(_), Some(stage)) = (&api.settings.pipeline, &api.settings.closed_stage) else { return Ok(()) };
    move_to(api, conversation, stage)
}

/// Moves the ticket that was closed with its conversation to where new ones are.
pub(crate) fn reopen(api: &Api, conversation: &str) -> Result<(), Fault> {
    let (Some(_), Some(_)) = (&api.settings.pipeline, &api.settings.closed_stage) else { return Ok(()) };
    move_to(api, conversation, &api.settings.stage)
}

/// One that somebody removed stays removed.
fn move_to(api: &Api, conversation: &str, stage: &str) -> Result<(), Fault> {
    let moved = Properties::from_iter([("hs_pipeline_stage".to_owned(), Value::from(stage))]);
    match api.update(KIND, std::iter::once((conversation, &moved))) {
        Ok(batch) => match batch.errors.iter().find(|refusal| !refusal.is_missing()) {
            Some(refusal) => Err(refusal.fault()),
            None => Ok(()),
        },
        Err(refused) => match refused.invalid()? {
            refusal if refusal.is_missing() => Ok(()),
            refusal => Err(Refusal::fault(&refusal)),
        },
    }
}
