"""A photograph that a newcomer can send: of 48 x 48 pixels, to be shown in one line of a terminal."""

from __future__ import annotations

__all__ = ["EXAMPLE"]

# A cup of coffee by Rachel Michetti (CC0, from `skimage.data.coffee`), as WebP.
_CUP = (
    "UklGRh4CAABXRUJQVlA4IBICAACQCwCdASowADAAPu1oqk2ppqQiMdZqATAdiWwArDK9gd8fqklYaglN7y8CjZ+nr3jNvoaR"
    "hSJcPRTp+h94bXQSC6jYJ4HZ1ejVu1JzYj/K+WpGTarQxWlpvtwp+djosEnOlpZ5UAD+72hf7ZbTVKfBcVALw6+ugGBuWhyw"
    "K0DSYMFsYlwdu/ozqitZ0ZP5dzs9fc++1aTRNvxXX8DOXz+C9a810gm5Y69XzWewHkySMxsVmsDZB2gvHVtH2whvR9PBITeE"
    "gFuJtlPU2L6aKCV7OqOvfuCWKZk+B3ugp+nwyTLGkSpDfmJ9q9dYvP8B9hoQsfSymuWzUK3x6he433fz+Ae+KFb0I+NDC9AJ"
    "ut98ovJDvbuPX42NW1ReYTvuUwFz2dYvWGZHgUHYSZEZQTbvo97LVkKzXvfV+DD9QyaNjvYO97a58XL+wzgzsC/Le/RreIYJ"
    "B7LROv/7CpV8iyASZghFD63r1v6RnDyKTd7UGh7G1wV1FlojLdSad6+HdGmHrg3cBbXyzgcN6UNrKQmsGi57jttKi31s+vmf"
    "B4yJWsEhJWfTbpfPp8md/yQNAF8MQntig/sjP5rq/4bKGX7bOhYTrK9pU4BxDcddAEweYge4v20fgeuDkcpSrn5fRtI1sSuf"
    "4FTABXiZE8ffxY2X+i0Fpnahb5HdPqMGrRDeAje89VK60hx3jgUNPwog5AAAAA=="
)

EXAMPLE = {"instances": [{"image": {"b64": _CUP}}]}
