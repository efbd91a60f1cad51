from __future__ import annotations


def test_segment_and_propagate(dock, stack, run, artifacts, qtbot):
    widget = dock(stack, show=True)
    viewer = widget._viewer
    widget.prompts.text.setText("the largest cell")
    assert run(widget, widget.segment) == "done"
    print(widget.workbench.records, [l.name for l in viewer.layers])
    widget.new_object()
    widget.add_points()
    widget.prompt_layers.points(viewer.layers["movie"]).add((0, 28, 44))
    assert run(widget, widget.segment) == "done"
    assert run(widget, lambda: widget.propagate("both")) == "done"
    print(widget.workbench.records)
    assert run(widget, lambda: widget.ask("what is there?")) == "done"
    print(widget.chat.transcript.toPlainText())
    widget.resize(400, 900)
    qtbot.wait(300)
    widget.grab().save(str(artifacts / "smoke_dock.png"))
    viewer.window.screenshot(str(artifacts / "smoke_viewer.png"), flash=False)
