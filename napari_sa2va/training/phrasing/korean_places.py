"""Where things are, in Korean: `{}` is the noun."""

from __future__ import annotations

from napari_sa2va.training.phrasing.forms import Forms


def _side_located(side: str, noun: str, other: str) -> Forms:
    return Forms(
        (f"{side}에 있는 {{}}",),
        (
            f"{side} {{}}",
            f"{side}의 {{}}",
            f"{other}에 있는 {{}}",
            f"{other}의 {{}}",
            f"이미지의 {side}에 있는 {{}}",
        ),
    )


def _side_extreme(side: str, noun: str, edge: str) -> Forms:
    return Forms(
        (f"가장 {side}에 있는 {{}}", f"맨 {side} {{}}"),
        (f"맨 {noun}에 있는 {{}}", f"제일 {side}에 있는 {{}}", f"{edge}에 가장 가까운 {{}}"),
    )


def _corner_located(corner: str, formal: str, short: str) -> Forms:
    return Forms(
        (f"{corner}에 있는 {{}}", f"{corner} {{}}"),
        (
            f"{corner} 모서리에 있는 {{}}",
            f"{corner} 구석에 있는 {{}}",
            f"{formal}에 있는 {{}}",
            f"{short}에 있는 {{}}",
            f"{corner}의 {{}}",
        ),
    )


def _corner_extreme(corner: str) -> Forms:
    return Forms(
        (f"{corner} 모서리에 가장 가까운 {{}}", f"{corner}에 가장 가까운 {{}}"),
        (f"{corner} 구석에 제일 가까운 {{}}", f"가장 {corner}에 있는 {{}}"),
    )


LOCATED = {
    "left": _side_located("왼쪽", "왼쪽", "왼편"),
    "right": _side_located("오른쪽", "오른쪽", "오른편"),
    "top": _side_located("위쪽", "위", "상단"),
    "bottom": _side_located("아래쪽", "아래", "하단"),
    "top left": _corner_located("왼쪽 위", "왼쪽 상단", "좌상단"),
    "top right": _corner_located("오른쪽 위", "오른쪽 상단", "우상단"),
    "bottom left": _corner_located("왼쪽 아래", "왼쪽 하단", "좌하단"),
    "bottom right": _corner_located("오른쪽 아래", "오른쪽 하단", "우하단"),
    "center": Forms(
        ("가운데에 있는 {}", "중앙에 있는 {}"),
        ("가운데 {}", "중앙의 {}", "한가운데에 있는 {}", "중심에 있는 {}", "이미지 중앙의 {}"),
    ),
}
EXTREME = {
    "left": _side_extreme("왼쪽", "왼쪽", "왼쪽 끝"),
    "right": _side_extreme("오른쪽", "오른쪽", "오른쪽 끝"),
    "top": _side_extreme("위쪽", "위", "위쪽 끝"),
    "bottom": _side_extreme("아래쪽", "아래", "아래쪽 끝"),
    **{
        key: _corner_extreme(corner)
        for key, corner in (
            *(("top left", "왼쪽 위"), ("top right", "오른쪽 위")),
            *(("bottom left", "왼쪽 아래"), ("bottom right", "오른쪽 아래")),
        )
    },
    "center": Forms(
        ("중앙에 가장 가까운 {}", "가운데에 가장 가까운 {}"),
        ("중심에 가장 가까운 {}", "중앙에서 가장 가까운 {}"),
    ),
}
