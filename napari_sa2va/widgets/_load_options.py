"""How models are loaded: precision, what takes clicks, less memory, more speed."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget
from superqt import QCollapsible

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.options import DEFAULTS, LoadOptions
from napari_sa2va.models.catalog import Entry
from napari_sa2va.models.known import SAM2

_OWN_SAM2 = ("the model's own SAM 2", None)
_PRECISION = (
    ("auto: fits the device", "auto"),
    ("float32", "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
)
_GROUNDING = (
    ("auto: as the model is made", "auto"),
    ("Sa2VA: by the fine-tuned decoder", "sa2va"),
    ("Sa2VA-i: by SAM 2's own weights", "sa2va-i"),
)
_WEIGHTS = (
    ("in that precision", None),
    ("8 bits (bitsandbytes)", "int8"),
    ("4 bits (bitsandbytes)", "int4"),
)
_ATTENTION = (("PyTorch's (SDPA)", "sdpa"), ("FlashAttention 2", "flash_attention_2"))


class LoadOptionsPanel(QCollapsible):
    """Shows with which options the dock loads models, and lets the user apply others.

    Signals
    -------
    options_wanted : LoadOptions
        The user wants these from now on.
    """

    options_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("How models are loaded", parent)
        self.toggleButton().setToolTip("Precision, memory, speed, and what takes clicks")
        self._applied = DEFAULTS
        self._usable = True

        self.dtype = _choice("Precision of the language side; SAM 2 keeps its own", _PRECISION)
        self.prompt_model = _choice(
            "What takes points and boxes: the model's own SAM 2, fine-tuned with it, or a plain "
            "SAM 2.1 beside it, which is downloaded at its first use.",
            (_OWN_SAM2,),
        )
        self.grounding = _choice(
            "How objects found by words are followed. Sa2VA-i needs a model that is made for it, "
            "or a plain SAM 2.1 for the clicks.",
            _GROUNDING,
        )
        self.quantize = _choice(
            "Weights of the language model: in 8 or 4 bits they need less memory, and answers may "
            "differ. Needs the extra `quantize`.",
            _WEIGHTS,
        )
        self.attention = _choice(
            "Of the language model. FlashAttention 2 needs the package flash-attn and CUDA.",
            _ATTENTION,
        )
        self.offload = QCheckBox("Language side in host memory while tracking")
        self.offload.setToolTip("Leaves the GPU's memory to the tracking; needs a GPU")
        self.compile = QCheckBox("Compile (torch.compile)")
        self.compile.setToolTip(
            "Compiles the image encoder and the language model's step at their first use, which "
            "takes a minute or more; needs a C++ compiler, or triton on GPUs"
        )
        self.apply = QPushButton("&Apply")
        self.apply.setAutoDefault(False)
        self.apply.setToolTip("Load the model with these options, at the next run; objects stay")
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)

        self._lay_out()
        for box in self._choices.values():
            box.currentIndexChanged.connect(self._on_changed)
        for box in (self.offload, self.compile):
            box.toggled.connect(self._on_changed)
        self.apply.clicked.connect(lambda: self.options_wanted.emit(self.options()))
        self.show_options(DEFAULTS)

    def options(self) -> LoadOptions:
        """What is chosen; InputError where it does not go together."""
        return LoadOptions(
            device=self._applied.device,
            **{name: box.currentData() for name, box in self._choices.items()},
            offload="tracking" if self.offload.isChecked() else None,
            compile=self.compile.isChecked(),
        )

    def show_options(self, options: LoadOptions) -> None:
        """Show these as the ones in use."""
        self._applied = options
        if (
            options.prompt_model is not None
            and self.prompt_model.findData(options.prompt_model) < 0
        ):
            self.prompt_model.addItem(options.prompt_model, options.prompt_model)
        for name, box in self._choices.items():
            box.setCurrentIndex(box.findData(getattr(options, name)))
        self.offload.setChecked(options.offload is not None)
        self.compile.setChecked(options.compile)
        self._on_changed()

    def show_prompt_models(self, entries: Iterable[Entry]) -> None:
        """Offer the plain SAM 2 that are on the list."""
        for entry in entries:
            if entry.known.kind == SAM2:
                self._offer(entry.known.name)

    def set_usable(self, usable: bool) -> None:
        """Whether the dock takes other options now."""
        self._usable = usable
        self._on_changed()

    @property
    def _choices(self) -> dict[str, QComboBox]:
        names = ("dtype", "prompt_model", "grounding", "quantize", "attention")
        return {name: getattr(self, name) for name in names}

    def _lay_out(self) -> None:
        content = QWidget()
        grid = QGridLayout(content)
        labels = ("Precision", "Clicks by", "Words followed by", "LLM's weights", "Attention")
        for number, (text, box) in enumerate(zip(labels, self._choices.values(), strict=True)):
            label = QLabel(text)
            label.setBuddy(box)
            label.setToolTip(box.toolTip())
            box.setAccessibleName(text)
            row, column = divmod(number, 2)
            grid.addWidget(label, row, 2 * column)
            grid.addWidget(box, row, 2 * column + 1)
        grid.addWidget(self.offload, 2, 2, 1, 2)
        grid.addWidget(self.compile, 3, 2, 1, 2)
        grid.addWidget(self.trouble, 3, 0, 1, 2)
        grid.addWidget(self.apply, 4, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.addWidget(content)

    def _offer(self, prompt_model: str | None) -> None:
        if prompt_model is not None and self.prompt_model.findData(prompt_model) < 0:
            self.prompt_model.addItem(prompt_model, prompt_model)

    def _on_changed(self, _: object = None) -> None:
        trouble, differs = "", False
        try:
            differs = self.options() != self._applied
        except InputError as error:
            trouble = str(error)
        self.trouble.setText(trouble)
        self.apply.setEnabled(self._usable and differs)


def _choice(tooltip: str, items: Iterable[tuple[str, str | None]]) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tooltip)
    for text, value in items:
        box.addItem(text, value)
    return box
