/*
 * A hub on an ESP32 (Arduino core) with up to 16 ICM-42688-P IMUs on one SPI bus.
 *
 * THIS SKETCH HAS NOT BEEN RUN ON HARDWARE, nor compiled with the ESP32 toolchain: take it as a
 * place to start from. The tests compile it for a computer around a board of software, and check
 * its bus, its registers, its timing and its words against what the sensors feel.
 * Register numbers are those of TDK's datasheet DS-000347, bank 0.
 *
 * To use it: copy imusic_hub.h into this folder, set the pins and slots below, flash, and run
 * `imusic record --rig rig.toml` with url = "serial:PORT" in the rig. On an nRF52 (Adafruit core)
 * only the pins, the reset of the SPI bus and what Serial is called differ.
 *
 * All sensors run at 1 kHz by their own clocks and are read one after the other, so a reading is
 * up to 1 ms old at its tick. Their filters are set to about half the rate of the hub, against
 * aliasing. Feed one clock to the CLKIN pins of all sensors where that is not good enough.
 */
#include <SPI.h>

#include "imusic_hub.h"

/* ---- your board ----------------------------------------------------------------------------- */

/* Names as in the rig's layout; the order here is the order of the chip selects. */
static const char *const SLOTS[] = {"frontalis_left", "frontalis_right", "mentalis",
                                    "head_reference"};
static const uint8_t CHIP_SELECT[] = {5, 16, 17, 21};
static const uint8_t SLOT_COUNT = sizeof SLOTS / sizeof SLOTS[0];
static const int LAMP_PIN = 2;
static const int SYNC_PIN = 4;
static const uint32_t BAUD = 921600; /* means nothing on native USB */
static const uint32_t SPI_HZ = 8000000;

static_assert(sizeof CHIP_SELECT == SLOT_COUNT, "one chip select for every slot");
static_assert(SLOT_COUNT <= IMUSIC_MAX_SLOTS, "more slots than the protocol carries");

/* ---- ICM-42688-P ---------------------------------------------------------------------------- */

static const uint8_t TEMP_DATA1 = 0x1D; /* then accel x y z and gyro x y z, high byte first */
static const uint8_t PWR_MGMT0 = 0x4E;
static const uint8_t GYRO_CONFIG0 = 0x4F;
static const uint8_t ACCEL_CONFIG0 = 0x50;
static const uint8_t GYRO_ACCEL_CONFIG0 = 0x52;
static const uint8_t WHO_AM_I = 0x75;
static const uint8_t IS_ICM_42688 = 0x47;
static const uint8_t READ = 0x80;
static const uint8_t ODR_1_KHZ = 0x06;
static const uint8_t BOTH_LOW_NOISE = 0x0F;
static const int16_t NO_READING = -32768; /* what the data registers hold before the first one */

static const float GRAVITY = 9.80665f;

/* Rates that the hub offers, with the filter (a fraction of 1 kHz) that suits each. */
struct Rate {
    float hz;
    uint8_t bandwidth;
};
static const Rate RATES[] = {{50.0f, 7}, {100.0f, 6}, {200.0f, 4}, {400.0f, 2}, {1000.0f, 0}};

static imusic_hub hub;
static imusic_reader reader;
static uint8_t bandwidth = 4;
static uint8_t accel_code = 1; /* 0 to 3: 16, 8, 4, 2 g */
static uint8_t gyro_code = 1;  /* 0 to 3: 2000, 1000, 500, 250 deg/s */
static uint16_t working;       /* the sensors that answer */
static int16_t temperature_cc = IMUSIC_NO_TEMPERATURE;
static uint32_t next_sample_us, next_status_us, lamp_off_ms;

static void transfer(uint8_t slot, uint8_t address, uint8_t *bytes, size_t size) {
    SPI.beginTransaction(SPISettings(SPI_HZ, MSBFIRST, SPI_MODE0));
    digitalWrite(CHIP_SELECT[slot], LOW);
    SPI.transfer(address);
    for (size_t i = 0; i < size; i++)
        bytes[i] = SPI.transfer(bytes[i]);
    digitalWrite(CHIP_SELECT[slot], HIGH);
    SPI.endTransaction();
}

static void write_register(uint8_t slot, uint8_t address, uint8_t value) {
    transfer(slot, address, &value, 1);
}

static bool answers(uint8_t slot) {
    uint8_t who = 0;
    transfer(slot, WHO_AM_I | READ, &who, 1);
    return who == IS_ICM_42688;
}

/* Also finds the sensors that were plugged in since. */
static void configure_sensors() {
    working = 0;
    for (uint8_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (!answers(slot))
            continue;
        working |= (uint16_t)(1u << slot);
        write_register(slot, PWR_MGMT0, BOTH_LOW_NOISE);
        delayMicroseconds(200); /* no register may be written before, by the datasheet */
        write_register(slot, ACCEL_CONFIG0, (uint8_t)(accel_code << 5 | ODR_1_KHZ));
        write_register(slot, GYRO_CONFIG0, (uint8_t)(gyro_code << 5 | ODR_1_KHZ));
        write_register(slot, GYRO_ACCEL_CONFIG0, (uint8_t)(bandwidth << 4 | bandwidth));
    }
}

/* Six counts for every slot; returns the mask of those that gave them. */
static uint16_t read_sensors(int16_t *readings) {
    uint16_t mask = 0;
    for (uint8_t slot = 0; slot < SLOT_COUNT; slot++, readings += 6) {
        uint8_t raw[14] = {0};
        if (!(working >> slot & 1))
            continue;
        transfer(slot, TEMP_DATA1 | READ, raw, sizeof raw);
        bool alive = false;
        for (int i = 0; i < 6; i++) {
            readings[i] = (int16_t)((uint16_t)raw[2 + 2 * i] << 8 | raw[3 + 2 * i]);
            alive = alive || (readings[i] != NO_READING && readings[i] != -1 && readings[i] != 0);
        }
        if (!alive) /* an open or shorted line reads all ones or all zeros */
            continue;
        mask |= (uint16_t)(1u << slot);
        int16_t warm = (int16_t)((uint16_t)raw[0] << 8 | raw[1]);
        temperature_cc = (int16_t)(warm * (100.0f / 132.48f) + 2500.0f);
    }
    return mask;
}

/* ---- what the host can ask for -------------------------------------------------------------- */

static uint8_t set_rate(imusic_hub *h, float rate_hz) {
    const Rate *best = RATES;
    for (const Rate &rate : RATES)
        if (fabsf(rate.hz - rate_hz) < fabsf(best->hz - rate_hz))
            best = &rate;
    h->rate_hz = best->hz;
    bandwidth = best->bandwidth;
    configure_sensors();
    return IMUSIC_DONE;
}

/* The code of the smallest of four ranges, each twice the next, that reaches `wanted`; -1: none. */
static int code_of(float largest, float wanted) {
    if (wanted > largest)
        return -1;
    int code = 0;
    while (code < 3 && largest / (float)(2 << code) >= wanted)
        code++;
    return code;
}

static uint8_t set_range(imusic_hub *h, float accel_range_m_s2, float gyro_range_rad_s) {
    const float largest_accel = 16.0f * GRAVITY, largest_gyro = 34.906585f; /* 2000 deg/s */
    int accel = code_of(largest_accel, accel_range_m_s2);
    int gyro = code_of(largest_gyro, gyro_range_rad_s);
    if (accel < 0 || gyro < 0)
        return IMUSIC_BAD_VALUE;
    accel_code = (uint8_t)accel;
    gyro_code = (uint8_t)gyro;
    h->accel_range_m_s2 = largest_accel / (float)(1 << accel);
    h->gyro_range_rad_s = largest_gyro / (float)(1 << gyro);
    configure_sensors();
    return IMUSIC_DONE;
}

/* There is one lamp, on the board: single slots are found by tapping on them. */
static uint8_t identify(imusic_hub *, uint8_t slot, uint16_t duration_ms) {
    if (slot != IMUSIC_WHOLE_HUB)
        return IMUSIC_FAILED;
    lamp_off_ms = millis() + duration_ms;
    digitalWrite(LAMP_PIN, duration_ms > 0 ? HIGH : LOW);
    return IMUSIC_DONE;
}

static uint8_t sync_pulse(imusic_hub *, uint16_t width_us, uint32_t *tick_us) {
    if (width_us > 1000) /* the stream would stand still meanwhile */
        return IMUSIC_BAD_VALUE;
    *tick_us = micros();
    digitalWrite(SYNC_PIN, HIGH);
    delayMicroseconds(width_us);
    digitalWrite(SYNC_PIN, LOW);
    return IMUSIC_DONE;
}

/* ---- the line ------------------------------------------------------------------------------- */

/* A frame goes whole or not at all: half a frame would cost the next one too. */
static void send(const uint8_t *bytes, size_t size) {
    if ((size_t)Serial.availableForWrite() >= size)
        Serial.write(bytes, size);
}

static void listen() {
    static uint8_t out[IMUSIC_MAX_ANSWER];
    imusic_command command;
    while (Serial.available() > 0) {
        if (!imusic_feed(&reader, (uint8_t)Serial.read(), &command))
            continue;
        bool was_streaming = hub.streaming;
        send(out, imusic_answer(&hub, &command, micros(), out, sizeof out));
        if (hub.streaming && !was_streaming) {
            next_sample_us = micros();
            next_status_us = next_sample_us + 1000000u;
        }
    }
}

static bool is_due(uint32_t now_us, uint32_t due_us) { return (int32_t)(now_us - due_us) >= 0; }

static void send_sample() {
    static int16_t readings[IMUSIC_MAX_SLOTS * 6];
    static uint8_t out[IMUSIC_MAX_FRAME];
    uint32_t tick_us = micros();
    if (!is_due(tick_us, next_sample_us))
        return;
    next_sample_us += (uint32_t)(1e6f / hub.rate_hz);
    if (is_due(tick_us, next_sample_us)) /* too slow for this rate: do not try to catch up */
        next_sample_us = tick_us;
    uint16_t mask = read_sensors(readings);
    send(out, imusic_next_sample(&hub, tick_us, mask, readings, out, sizeof out));
    if (!is_due(tick_us, next_status_us))
        return;
    next_status_us += 1000000u;
    uint16_t failing = (uint16_t)(((1u << SLOT_COUNT) - 1u) & ~(unsigned)mask);
    send(out, imusic_status(&hub, micros(), IMUSIC_NO_BATTERY, temperature_cc, failing, out,
                            sizeof out));
}

void setup() {
    static char device_id[24];
    static uint8_t out[IMUSIC_MAX_FRAME];
    Serial.setTxBufferSize(8192); /* a quarter of a second at 200 Hz and 12 slots */
    Serial.begin(BAUD);
    SPI.begin();
    pinMode(LAMP_PIN, OUTPUT);
    pinMode(SYNC_PIN, OUTPUT);
    for (uint8_t slot = 0; slot < SLOT_COUNT; slot++) {
        pinMode(CHIP_SELECT[slot], OUTPUT);
        digitalWrite(CHIP_SELECT[slot], HIGH);
    }
    snprintf(device_id, sizeof device_id, "esp32-%012llx", ESP.getEfuseMac());

    hub.device_id = device_id; /* the rest of `hub` is zero, being static */
    hub.firmware = "hub_esp32 1.0";
    hub.slots = SLOTS;
    hub.slot_count = SLOT_COUNT;
    hub.set_rate = set_rate;
    hub.set_range = set_range;
    hub.identify = identify;
    hub.sync_pulse = sync_pulse;
    delay(10); /* the sensors' own start */
    set_range(&hub, 8.0f * GRAVITY, 17.45f);
    set_rate(&hub, 200.0f);
    delay(50); /* the gyroscopes' start: 45 ms by the datasheet */
    send(out, imusic_hello(&hub, out, sizeof out));
}

void loop() {
    listen();
    if (hub.streaming)
        send_sample();
    if (lamp_off_ms != 0 && is_due(millis(), lamp_off_ms)) {
        digitalWrite(LAMP_PIN, LOW);
        lamp_off_ms = 0;
    }
}
