"""A datamodule that takes another one, as the systems' do."""

from aukit.datamodules import CorpusDataModule, StepDataModule


class OuterData(StepDataModule):
    location_arguments = (*StepDataModule.location_arguments, "place")

    def __init__(self, inner: CorpusDataModule, share: float = 0.5, place: str | None = None) -> None:
        super().__init__()
        self.inner, self.share = inner, share
