//! The border of trust. Input arrives as [`Raw`], a [`Verifier`] turns it into [`Verified`], and nothing
//! that is not `Verified` may enter a journal (invariant 1).
//!
//! There are exactly two ways across: [`Raw::verify`], and [`Verified::by_operator`] for an import that the
//! operator vouches for. Searching for those two names finds every place where trust is given.

/// Input as it came from a network. It can be looked at to sort or to refuse it, not to believe it.
#[derive(Clone, Debug)]
pub struct Raw<T>(T);

impl<T> Raw<T> {
    /// Marks `input` as not yet verified.
    pub const fn new(input: T) -> Self {
        Self(input)
    }

    /// What was received.
    pub const fn peek(&self) -> &T {
        &self.0
    }

    /// Checks the input and, if it holds, gives what it stands for.
    ///
    /// # Errors
    /// The verifier's own reason.
    pub fn verify<V: Verifier<T>>(self, verifier: &V) -> Result<Verified<V::Output>, V::Error> {
        verifier.verify(self.0).map(Verified)
    }
}

/// A network's rule of what may be believed: signature, hash, Merkle proof, schema.
pub trait Verifier<T> {
    /// What verified input stands for.
    type Output;
    /// Why input was refused.
    type Error;

    /// Checks `input` against this rule.
    ///
    /// # Errors
    /// The reason why it doesn't hold.
    fn verify(&self, input: T) -> Result<Self::Output, Self::Error>;
}

/// A value that a [`Verifier`] or the operator vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Takes the operator's word: only for their own import of data that an earlier instance had verified.
    pub const fn by_operator(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value, owned.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// A value derived from a verified one is verified too.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Verified<U> {
        Verified(derive(self.0))
    }
}
