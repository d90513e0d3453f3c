"""A corpus outside of aukit: what its package has to bring, as small as it gets."""

from aukit.datasets.registry import CorpusEntry

ENTRY = CorpusEntry(
    name="example",
    title="Example",
    reader="example_corpus.reader.Example",
    datamodule="example_corpus.datamodule.ExampleDataModule",
    standin="example_corpus.standin.ExampleStandin",
    published="example_corpus.reader.PUBLISHED",
)
