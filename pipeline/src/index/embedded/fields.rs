//! How a document is laid out in tantivy: its fields, and the words of its texts.

use schemas::query::{KeyField, TimeField, WordField, words};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, SchemaBuilder, TantivyDocument, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};

use crate::index::Document;

/// Number of the layout below. Raise it whenever the same document would be indexed otherwise.
pub(super) const FORMAT: u32 = 1;
/// The name under which [`WordTokenizer`] is registered, and so stands in the schema.
pub(super) const WORDS: &str = "words";
/// The field documents are sorted and replaced by.
pub(super) const NUMBER: &str = "number";
/// Longer keys than any query can ask for are left out.
const MAX_KEY: usize = schemas::query::MAX_LENGTH;

/// Handles of the fields. Nothing is stored: a hit is a number, the report is in the database.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    pub(super) number: Field,
    text: Field,
    tester: Field,
    architecture: Field,
    keys: [(KeyField, Field); KeyField::ALL.len()],
    pub(super) language_number: Field,
    received: Field,
    created: Field,
}

impl Fields {
    pub(super) fn new() -> Fields {
        let mut schema = SchemaBuilder::new();
        // Ranges are read from columns, which tantivy calls fast fields, and need no terms.
        let column = NumericOptions::from(FAST);
        Fields {
            number: schema.add_i64_field(NUMBER, column.clone() | INDEXED),
            text: schema.add_text_field("text", words_options(true)),
            tester: schema.add_text_field("tester", words_options(false)),
            architecture: schema.add_text_field("architecture", words_options(false)),
            keys: KeyField::ALL.map(|field| (field, schema.add_text_field(field.name(), key_options()))),
            language_number: schema.add_i64_field("language_number", column.clone()),
            received: schema.add_i64_field(TimeField::Received.name(), column.clone()),
            created: schema.add_i64_field(TimeField::Created.name(), column),
            schema: schema.build(),
        }
    }

    pub(super) fn words(&self, field: WordField) -> Field {
        match field {
            WordField::Text => self.text,
            WordField::Tester => self.tester,
            WordField::Architecture => self.architecture,
        }
    }

    pub(super) fn key(&self, field: KeyField) -> Field {
        self.keys[field as usize].1
    }

    pub(super) fn time(&self, field: TimeField) -> Field {
        match field {
            TimeField::Received => self.received,
            TimeField::Created => self.created,
        }
    }

    pub(super) fn document(&self, document: &Document) -> TantivyDocument {
        let mut laid_out = TantivyDocument::new();
        laid_out.add_i64(self.number, document.number);
        for field in [WordField::Text, WordField::Tester, WordField::Architecture] {
            for text in document.texts(field) {
                laid_out.add_text(self.words(field), text);
            }
        }
        for (name, field) in self.keys {
            if let Some(key) = document.key(name).filter(|key| key.len() <= MAX_KEY) {
                laid_out.add_text(field, key);
            }
        }
        if let Some(number) = document.language_number() {
            laid_out.add_i64(self.language_number, number);
        }
        laid_out.add_i64(self.received, document.time(TimeField::Received));
        laid_out.add_i64(self.created, document.time(TimeField::Created));
        laid_out
    }
}

/// Positions for phrases; lengths (fieldnorms) only where relevance is judged.
fn words_options(scored: bool) -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
            .set_fieldnorms(scored),
    )
}

fn key_options() -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false),
    )
}

/// Cuts texts into the words that [`words`] defines, folded.
pub(super) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::from(WordTokenizer::default())
}

#[derive(Clone, Default)]
struct WordTokenizer {
    // Kept from text to text, so that its buffer is allocated once.
    token: Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { text, runs: words::runs(text), token: &mut self.token }
    }
}

struct WordStream<'a> {
    text: &'a str,
    runs: words::Runs<'a>,
    token: &'a mut Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.runs.find(|word| word.range.len() <= words::MAX_WORD) else { return false };
        words::fold_into(&self.text[word.range.clone()], &mut self.token.text);
        self.token.offset_from = word.range.start;
        self.token.offset_to = word.range.end;
        self.token.position = word.position;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
