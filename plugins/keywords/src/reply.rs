//! Answers with variables.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{AutoReply, Passing};

use crate::rules::{Matched, Rules};

/// Characters of a name that an answer repeats: people call themselves many things.
const NAME_MAX: usize = 60;

/// A text with variables in braces.
pub(crate) struct Template(Vec<Piece>);

enum Piece {
    Text(String),
    /// With what is said where nothing is known.
    Variable(Variable, String),
}

#[derive(Clone, Copy)]
enum Variable {
    Name,
    Channel,
    Opening,
}

impl Template {
    /// # Errors
    /// If it names an unknown variable.
    pub(crate) fn of(text: &str, at: usize) -> Result<Self, Fault> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((inside, behind)) = after.split_once('}') else { break };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(variable(inside, at)?);
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn fill(&self, value: impl Fn(Variable) -> String) -> String {
        let filled = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(variable, otherwise) => {
                Some(value(*variable)).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.clone())
            }
        });
        filled.collect()
    }
}

fn variable(inside: &str, at: usize) -> Result<Piece, Fault> {
    let (name, otherwise) = inside.split_once('|').unwrap_or((inside, ""));
    let variable = match name {
        "name" => Variable::Name,
        "channel" => Variable::Channel,
        "opening" => Variable::Opening,
        _ => {
            let known = "there are {name}, {channel} and {opening}";
            return Err(Fault::internal(format!("settings.rules[{at}].reply: no variable {{{name}}}; {known}")));
        }
    };
    Ok(Piece::Variable(variable, otherwise.to_owned()))
}

impl Rules {
    /// Of the first rule that matches and has an answer.
    pub(crate) fn reply(&self, ctx: &Context, message: &Passing, matched: &[Matched<'_>]) -> Option<AutoReply> {
        let Matched { rule, language } = matched.iter().find(|matched| !matched.rule.replies.is_empty())?;
        let language = language.or_else(|| matched.iter().find_map(|matched| matched.language));
        let told = told_language(message);
        let wanted = [language, told.as_deref(), Some(&*self.language)];
        let of = |wanted: &str| rule.replies.iter().find(|(language, _)| language.as_deref() == Some(wanted));
        let (_, template) = wanted.into_iter().flatten().find_map(of).or(rule.replies.first())?;
        let text = template.fill(|variable| match variable {
            Variable::Name => name(message),
            Variable::Channel => ctx.channel.clone(),
            Variable::Opening => self.opening.clone(),
        });
        let content = Content::of(vec![Part::plain(text)]);
        Some(AutoReply { content, name: self.name.clone(), pause_ms: self.pause_ms })
    }
}

fn name(message: &Passing) -> String {
    let name = message.sender.as_ref().and_then(|sender| sender.name.as_deref()).unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect::<String>().trim().to_owned()
}

/// By an earlier processor, or by the adapter: `de` of `de-AT`.
fn told_language(message: &Passing) -> Option<String> {
    let language = |text: &str| {
        let object: Value = omnigate_plugin::serde_json::from_str(text).ok()?;
        let language = object.get("language")?.as_str()?.to_lowercase();
        language.split(['-', '_']).next().map(str::to_owned)
    };
    language(&message.tags).or_else(|| language(&message.metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_and_unknown_ones_refused() {
        let filled = |text: &str, name: &str| {
            let template = Template::of(text, 0).unwrap_or_else(|fault| panic!("{}", fault.message));
            template.fill(|variable| match variable {
                Variable::Name => name.to_owned(),
                _ => "x".to_owned(),
            })
        };
        assert_eq!(filled("Hello {name}, {opening} {channel}.", "Ann"), "Hello Ann, x x.");
        assert_eq!(filled("Hello {name|there}!", ""), "Hello there!");
        assert_eq!(filled("Hello {name}", "{opening}"), "Hello {opening}", "a name is no template");
        assert_eq!(filled("a { b", ""), "a { b");
        assert!(Template::of("{price}", 3).is_err_and(|fault| fault.message.contains("rules[3]")));
    }
}
