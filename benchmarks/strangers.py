"""People whose performances no training of these benchmarks sees."""

from dataset_tools.recordings import Source

STRANGERS = (
    Source(person="sentien", files="arkit/sentien/recording.csv", licence="MIT"),
    Source(person="applicator", files="arkit/applicator/SampleTest0*.csv", licence="Apache-2.0"),
    Source(person="S07", files="arkit/alexdjulin/S07-001.csv", licence="MIT"),
    Source(person="animavr", files="arkit/animavr/MySlate_16[1-4]*.csv", licence="tests only"),
)
