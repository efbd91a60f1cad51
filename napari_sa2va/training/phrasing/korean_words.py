"""What Korean calls things."""

from __future__ import annotations

from napari_sa2va.training.phrasing.forms import Forms, words

# Before a noun.
COLORS = {
    "red": words("빨간", "빨간색", "붉은", share=0.7),
    "green": words("초록색", "초록", "녹색", share=0.6),
    "blue": words("파란", "파란색", "푸른", share=0.7),
    "yellow": words("노란", "노란색", share=0.7),
    "orange": words("주황색", "주황", "오렌지색", share=0.7),
    "purple": words("보라색", "보라", share=0.7),
    "pink": words("분홍색", "분홍", "핑크색", share=0.7),
    "cyan": words("청록색", "청록", share=0.7),
    "white": words("흰", "흰색", "하얀", share=0.6),
    "black": words("검은", "검은색", "까만", share=0.6),
    "brown": words("갈색"),
}
COLOR_NAMES = {
    "red": "빨간색",
    "green": "초록색",
    "blue": "파란색",
    "yellow": "노란색",
    "orange": "주황색",
    "purple": "보라색",
    "pink": "분홍색",
    "cyan": "청록색",
    "white": "흰색",
    "black": "검은색",
    "brown": "갈색",
}
NOUNS = {
    "circle": words("원", "동그라미"),
    "square": words("정사각형", "사각형", "네모", share=0.6),
    "triangle": words("삼각형", "세모"),
    "star": words("별", "별 모양", share=0.9),
    "ellipse": words("타원", "타원형", share=0.85),
    "cross": words("십자", "십자가", "십자 모양", share=0.6),
    "ring": words("고리", "링"),
    "cell": words("세포", "핵", share=0.85),
    "nucleus": words("핵", "세포핵", "세포"),
    "coin": words("동전", "원반", share=0.9),
    "disc": words("원반", "디스크"),
    "bead": words("비드", "구슬", "입자", "점", share=0.6),
    "bacterium": words("세균", "박테리아", "균", share=0.65),
    "fibre": words("섬유", "필라멘트", "실", share=0.8),
    "vessel": words("혈관"),
    "object": words("물체", "것", "대상"),
    "shape": words("도형", "물체", "모양", "것", share=0.6),
    "blob": words("물체", "덩어리", "점", "것", share=0.6),
}
ALL = Forms(("모든 {}",), ("{} 모두", "{} 전부", "{}들", "전체 {}"), 0.65)
RANKS = {
    "largest": Forms(
        ("가장 큰", "제일 큰"), ("크기가 가장 큰", "면적이 가장 큰", "가장 커다란"), 0.8
    ),
    "smallest": Forms(
        ("가장 작은", "제일 작은"), ("크기가 가장 작은", "면적이 가장 작은", "가장 조그만"), 0.8
    ),
    "brightest": Forms(("가장 밝은", "제일 밝은"), ("밝기가 가장 밝은", "가장 환한"), 0.85),
    "dimmest": Forms(("가장 어두운", "제일 어두운"), ("가장 흐린", "밝기가 가장 어두운"), 0.85),
    "fastest": Forms(("가장 빠른", "가장 빨리 움직이는"), ("제일 빠른", "가장 빠르게 움직이는")),
}
SECONDS = {
    "largest": Forms(("두 번째로 큰",), ("둘째로 큰", "2번째로 큰"), 0.8),
    "smallest": Forms(("두 번째로 작은",), ("둘째로 작은", "2번째로 작은"), 0.8),
    "brightest": Forms(("두 번째로 밝은",), ("둘째로 밝은",), 0.85),
    "dimmest": Forms(("두 번째로 어두운",), ("둘째로 어두운",), 0.85),
}
OF_TWO = {"largest": "더 큰", "smallest": "더 작은", "brightest": "더 밝은", "dimmest": "더 어두운"}
# Before the counter 개.
NUMBERS = (
    *("영", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열"),
    *("열한", "열두", "열세", "열네", "열다섯", "열여섯", "열일곱", "열여덟", "열아홉", "스무"),
)
REGIONS = {
    "top left": "왼쪽 위",
    "top": "위쪽",
    "top right": "오른쪽 위",
    "left": "왼쪽",
    "center": "가운데",
    "right": "오른쪽",
    "bottom left": "왼쪽 아래",
    "bottom": "아래쪽",
    "bottom right": "오른쪽 아래",
}
# {0}: the anchor, {1}: the noun
RELATIONS = {
    "left": Forms(("{0}의 왼쪽에 있는 {1}", "{0} 왼쪽에 있는 {1}"), ("{0} 왼쪽의 {1}",), 0.85),
    "right": Forms(
        ("{0}의 오른쪽에 있는 {1}", "{0} 오른쪽에 있는 {1}"), ("{0} 오른쪽의 {1}",), 0.85
    ),
    "above": Forms(("{0}의 위쪽에 있는 {1}", "{0} 위에 있는 {1}"), ("{0} 위쪽의 {1}",), 0.85),
    "below": Forms(("{0}의 아래쪽에 있는 {1}", "{0} 아래에 있는 {1}"), ("{0} 아래쪽의 {1}",), 0.85),
    "next": Forms(
        ("{0}에 가장 가까운 {1}", "{0} 옆에 있는 {1}"),
        ("{0}에서 가장 가까운 {1}", "{0} 바로 옆의 {1}", "{0}에 제일 가까운 {1}"),
    ),
}
MOTIONS = {
    "moving": Forms(("움직이는 {}", "이동하는 {}"), ("움직이고 있는 {}", "이동 중인 {}")),
    "still": Forms(
        ("움직이지 않는 {}", "가만히 있는 {}"), ("정지한 {}", "멈춰 있는 {}", "제자리에 있는 {}")
    ),
    "dividing": Forms(("분열하는 {}",), ("분열 중인 {}", "둘로 나뉘는 {}", "분열하고 있는 {}")),
    "leaving": Forms(
        ("화면 밖으로 나가는 {}", "밖으로 나가는 {}"), ("화면을 벗어나는 {}", "사라지는 {}")
    ),
    "entering": Forms(("화면 안으로 들어오는 {}", "안으로 들어오는 {}"), ("새로 들어오는 {}",)),
}
TOWARDS = {"left": "왼쪽으로", "right": "오른쪽으로", "up": "위로", "down": "아래로"}
HEADING = Forms(("{1} 움직이는 {0}", "{1} 이동하는 {0}"), ("{1} 가는 {0}", "{1} 움직이고 있는 {0}"))
MOVEMENTS = {
    **{way: f"{towards} 움직입니다." for way, towards in TOWARDS.items()},
    "still": "움직이지 않습니다.",
    "dividing": "분열합니다.",
    "leaving": "화면 밖으로 나갑니다.",
    "entering": "화면 안으로 들어옵니다.",
}
