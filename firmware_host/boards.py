"""What a USB serial port or a Bluetooth advertisement looks to be, by its ids. No I/O.

Product ids are from the makers' own lists where there is one: github.com/raspberrypi/usb-pid;
Espressif's "USB Serial/JTAG Controller" in the ESP-IDF guide; Seeed's board definition of the XIAO;
PJRC's Teensyduino; and for adapters the drivers in the Linux kernel (cp210x.c, ch341.c, cdc-acm.c,
ftdi_sio_ids.h, pl2303.h). Vendor ids are those of usb.org. A port in no list may still be a hub.
"""

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

# GATT services that sensors advertise, by the makers' documentation or SDK.
SERVICES = {
    "6e400001-b5a3-f393-e0a9-e50e24dcca9e": "Nordic UART service",
    "0000ffe5-0000-1000-8000-00805f9a34fb": "WitMotion sensor",
    "34c2e3bb-34aa-11eb-adc1-0242ac120002": "OpenEarable",
}
# Movella DOT: only the first group differs between its services.
_DOT_PREFIX, _DOT_SUFFIX = "1517", "-4947-11e9-8646-d663bd873d93"


def usb_looks_like(vendor_id: int | None, product_id: int | None, description: str | None) -> str:
    """The board, else the vendor, else what the system says of the port."""
    known = BOARDS.get((vendor_id or 0, product_id or 0)) or VENDORS.get(vendor_id or 0)
    # pyserial says "n/a" where the system tells nothing, such as for a UART on the board.
    return known or ("serial port" if description in (None, "", "n/a") else printable(description))


def service_looks_like(services: list[str]) -> str:
    """What the advertised GATT services (UUIDs in lower case) belong to; empty where unknown."""
    for service in services:
        if service in SERVICES:
            return SERVICES[service]
        if service.startswith(_DOT_PREFIX) and service.endswith(_DOT_SUFFIX):
            return "Movella DOT"
    return ""


def printable(text: str | None) -> str:
    """`text` without what could steer a terminal: whatever is plugged in or near chose it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text or "")
