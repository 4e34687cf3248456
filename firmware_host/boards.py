"""What a USB serial port or a Bluetooth advertisement looks to be, by its ids. No I/O.

Product ids are from the makers' own lists where there is one: github.com/raspberrypi/usb-pid;
Espressif's "USB Serial/JTAG Controller" in the ESP-IDF guide; Seeed's board definition of the XIAO;
PJRC's Teensyduino; and for adapters the drivers in the Linux kernel (cp210x.c, ch341.c, cdc-acm.c,
ftdi_sio_ids.h, pl2303.h). Vendor ids are those of usb.org. A port in no list may still be a hub.
"""

import re
from collections.abc import Iterable

VENDORS = {
    0x0403: "FTDI USB serial adapter",
    0x10C4: "Silicon Labs CP210x adapter",
    0x1A86: "WCH CH34x adapter",
    0x067B: "Prolific USB serial adapter",
    0x303A: "Espressif board",
    0x2E8A: "Raspberry Pi Pico or other RP2 board",
    0x16C0: "Teensy or other small USB board",
    0x1FC9: "NXP board",
    0x0483: "STMicroelectronics board",
    0x1915: "Nordic Semiconductor board",
    0x239A: "Adafruit board",
    0x2341: "Arduino board",
    0x2886: "Seeed Studio board",
}

BOARDS = {
    (0x303A, 0x1001): "Espressif ESP32 by its own USB (C3, C6, S3, …)",
    (0x2E8A, 0x0005): "Raspberry Pi Pico with MicroPython",
    (0x2E8A, 0x0009): "Raspberry Pi Pico, firmware of its SDK",
    (0x2E8A, 0x000A): "Raspberry Pi Pico, firmware of its SDK",
    (0x2E8A, 0x000B): "Raspberry Pi Pico with CircuitPython",
    (0x2E8A, 0x000C): "Raspberry Pi Debug Probe",
    (0x2886, 0x8045): "Seeed XIAO nRF52840 Sense",
    (0x16C0, 0x0483): "Teensy, USB serial",
    (0x0483, 0x5740): "STM32 by its own USB",
    (0x10C4, 0xEA60): "Silicon Labs CP210x adapter (many ESP32 boards)",
    (0x1A86, 0x7523): "WCH CH340 adapter (many ESP32 and Arduino boards)",
    (0x1A86, 0x55D4): "WCH CH9102 adapter (many ESP32 boards)",
    (0x0403, 0x6001): "FTDI FT232R adapter",
    (0x0403, 0x6015): "FTDI FT231X adapter",
    (0x067B, 0x2303): "Prolific PL2303 adapter",
}

# GATT services that sensors advertise, by the makers' documentation or SDK, and the profile (one of
# transports.gatt.PROFILES) that they are for. Those of a Movella DOT differ in four digits only.
_SERVICES = (
    (r"6e400001-b5a3-f393-e0a9-e50e24dcca9e", "hub, or other device with a Nordic UART", "hub"),
    (r"0000ffe5-0000-1000-8000-00805f9a34fb", "WitMotion sensor", "witmotion"),
    (r"1517....-4947-11e9-8646-d663bd873d93", "Movella DOT", "dot"),
    (r"34c2e3bb-34aa-11eb-adc1-0242ac120002", "OpenEarable", ""),
)
# Many devices do not advertise their services. Names: docs/hub-protocol.md; those of the models
# that WitMotion sells (WT901BLE68, BWT901BLE5.0, WT9011DCL); table 4 of Movella's XD0506P.
_NAMES = (
    (r"imusic.*", "hub", "hub"),
    (r"b?wt\d{3}.*", "WitMotion sensor", "witmotion"),
    (r"(movella|xsens) dot\b.*", "Movella DOT", "dot"),
)


def usb_looks_like(vendor_id: int | None, product_id: int | None, description: str | None) -> str:
    """The board, else the vendor, else what the system says of the port."""
    known = BOARDS.get((vendor_id or 0, product_id or 0)) or VENDORS.get(vendor_id or 0)
    # pyserial says "n/a" where the system tells nothing, such as for a UART on the board.
    return known or ("serial port" if description in (None, "", "n/a") else printable(description))


def advertised_looks_like(services: Iterable[str], name: str) -> tuple[str, str]:
    """(What advertises these GATT services, or else that name; its profile). Empty where unknown.

    A hub says by its name that it is one: a Nordic UART alone may be anything.
    """
    by_service, by_name = _match(_SERVICES, services), _match(_NAMES, (name,))
    is_hub = by_service[1] == by_name[1] == "hub"
    return by_name if is_hub or not by_service[0] else by_service


def _match(table: Iterable[tuple[str, str, str]], texts: Iterable[str]) -> tuple[str, str]:
    for text in texts:
        for pattern, what, profile in table:
            if re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL):
                return what, profile
    return "", ""


def printable(text: str | None) -> str:
    """`text` without what could steer a terminal: whatever is plugged in or near chose it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text or "")
