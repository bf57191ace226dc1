use phonenumber::Mode;

/// A country with a plan of telephone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(phonenumber::country::Id);

impl Country {
    /// From two letters of ISO 3166-1, such as `DE`.
    pub fn parse(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }
}

/// The number in E.164 if the plan of its country has it.
pub(super) fn e164(typed: &str, country: Option<Country>) -> Option<String> {
    let number = phonenumber::parse(country.map(|Country(id)| id), typed).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}
