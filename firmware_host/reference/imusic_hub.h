/*
 * The hub's side of the imusic hub protocol, version 1, in one header.
 *
 * C99, also valid C++11. No allocation, no I/O, no clock; of the C library only <stdint.h>,
 * <stddef.h> and <string.h>. Every byte is described in docs/hub-protocol.md, and golden.txt beside
 * this file holds messages to compare with. Licence: Apache-2.0, as the project.
 *
 * A hub needs four calls:
 *
 *   imusic_hello       the INFO that is sent once, unasked, after power-up
 *   imusic_feed        for every byte from the host; says when a command is whole
 *   imusic_answer      what to send back for that command, which is also obeyed
 *   imusic_next_sample for every tick while hub.streaming is set
 *
 * and imusic_status about once a second. All of them write whole frames into a buffer of yours and
 * return how many bytes they wrote; 0 means that there was nothing to say or not enough room.
 * A buffer of IMUSIC_MAX_FRAME bytes is always enough for one frame, and imusic_answer writes at
 * most IMUSIC_MAX_ANSWER.
 */
#ifndef IMUSIC_HUB_H
#define IMUSIC_HUB_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IMUSIC_PROTOCOL_VERSION 1
#define IMUSIC_MAX_SLOTS 16
#define IMUSIC_MAX_PAYLOAD 1000
#define IMUSIC_MAX_FRAME 1024
#define IMUSIC_MAX_ANSWER (IMUSIC_MAX_FRAME + 32) /* an ANSWER, then an INFO or a SYNC */

/* The longest command that is understood, as it is on the wire; a host sends at most 64. */
#ifndef IMUSIC_READER_BYTES
#define IMUSIC_READER_BYTES 64
#endif

/* Kinds of frames. */
#define IMUSIC_HELLO 0x01
#define IMUSIC_START 0x02
#define IMUSIC_STOP 0x03
#define IMUSIC_PING 0x04
#define IMUSIC_SET_RATE 0x05
#define IMUSIC_SET_RANGE 0x06
#define IMUSIC_SET_MODE 0x07
#define IMUSIC_IDENTIFY 0x08
#define IMUSIC_SYNC_PULSE 0x09
#define IMUSIC_INFO 0x81
#define IMUSIC_SAMPLES 0x82
#define IMUSIC_STATUS 0x83
#define IMUSIC_END 0x84
#define IMUSIC_PONG 0x85
#define IMUSIC_ANSWER 0x86
#define IMUSIC_SYNC 0x87
#define IMUSIC_SAMPLES_FUSED 0x88

/* Results in an ANSWER. */
#define IMUSIC_DONE 0
#define IMUSIC_UNKNOWN_COMMAND 1
#define IMUSIC_BAD_VALUE 2
#define IMUSIC_BUSY_STREAMING 3
#define IMUSIC_FAILED 4

/* Features in INFO. */
#define IMUSIC_CAN_PING 0x01
#define IMUSIC_CAN_SET_RATE 0x02
#define IMUSIC_CAN_SET_RANGE 0x04
#define IMUSIC_CAN_SET_MODE 0x08
#define IMUSIC_CAN_IDENTIFY 0x10
#define IMUSIC_CAN_SYNC_PULSE 0x20

/* Modes. */
#define IMUSIC_MODE_RAW 0
#define IMUSIC_MODE_FUSED 1

/* Values that say "none". */
#define IMUSIC_NO_BATTERY 255
#define IMUSIC_NO_TEMPERATURE INT16_MIN
#define IMUSIC_WHOLE_HUB 255 /* the slot of an IDENTIFY that means the hub itself */

/* ---- frames: COBS(kind, payload, CRC-16), then a zero byte ---------------------------------- */

/* CRC-16/CCITT-FALSE of one more byte; the first one starts from 0xFFFF. */
static inline uint16_t imusic_crc(uint16_t crc, uint8_t byte) {
    int bit;
    crc = (uint16_t)(crc ^ (uint16_t)((uint16_t)byte << 8));
    for (bit = 0; bit < 8; bit++)
        crc = (uint16_t)((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0));
    return crc;
}

/* Builds one frame in place, byte by byte: COBS and CRC are computed as the bytes come. */
typedef struct imusic_writer {
    uint8_t *out;
    size_t capacity;
    size_t size;    /* bytes written or, once it exceeds capacity, that would have been */
    size_t code_at; /* where the length of the current COBS group goes */
    uint8_t code;
    uint16_t crc;
    uint16_t payload;
} imusic_writer;

static inline void imusic_raw(imusic_writer *w, size_t at, uint8_t byte) {
    if (at < w->capacity)
        w->out[at] = byte;
}

static inline void imusic_close_group(imusic_writer *w) {
    imusic_raw(w, w->code_at, w->code);
    w->code_at = w->size++;
    w->code = 1;
}

static inline void imusic_stuff(imusic_writer *w, uint8_t byte) {
    if (w->code == 0xFF) /* a full group ends without a zero; only now is it sure that more comes */
        imusic_close_group(w);
    if (byte == 0) {
        imusic_close_group(w);
    } else {
        imusic_raw(w, w->size++, byte);
        w->code++;
    }
}

static inline void imusic_put_u8(imusic_writer *w, uint8_t byte) {
    w->crc = imusic_crc(w->crc, byte);
    w->payload++;
    imusic_stuff(w, byte);
}

static inline void imusic_begin(imusic_writer *w, uint8_t *out, size_t capacity, uint8_t kind) {
    w->out = out;
    w->capacity = capacity;
    w->size = 1;
    w->code_at = 0;
    w->code = 1;
    w->crc = 0xFFFF;
    imusic_put_u8(w, kind);
    w->payload = 0; /* the kind does not count */
}

/* Ends the frame; returns its size, or 0 where it or its payload is too long. */
static inline size_t imusic_end(imusic_writer *w) {
    uint16_t crc = w->crc;
    imusic_stuff(w, (uint8_t)(crc & 0xFF));
    imusic_stuff(w, (uint8_t)(crc >> 8));
    imusic_raw(w, w->code_at, w->code);
    imusic_raw(w, w->size++, 0);
    return w->size <= w->capacity && w->payload <= IMUSIC_MAX_PAYLOAD ? w->size : 0;
}

static inline void imusic_put_u16(imusic_writer *w, uint16_t value) {
    imusic_put_u8(w, (uint8_t)(value & 0xFF));
    imusic_put_u8(w, (uint8_t)(value >> 8));
}

static inline void imusic_put_i16(imusic_writer *w, int16_t value) {
    imusic_put_u16(w, (uint16_t)value);
}

static inline void imusic_put_u32(imusic_writer *w, uint32_t value) {
    imusic_put_u16(w, (uint16_t)(value & 0xFFFF));
    imusic_put_u16(w, (uint16_t)(value >> 16));
}

/* IEEE 754 single precision, which `float` is on every MCU of interest. */
static inline void imusic_put_f32(imusic_writer *w, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    imusic_put_u32(w, bits);
}

/* At most 255 bytes of UTF-8; a longer text makes the frame fail at its end. */
static inline void imusic_put_text(imusic_writer *w, const char *text) {
    size_t size = strlen(text), i;
    if (size > 255) {
        w->payload = IMUSIC_MAX_PAYLOAD + 1;
        return;
    }
    imusic_put_u8(w, (uint8_t)size);
    for (i = 0; i < size; i++)
        imusic_put_u8(w, (uint8_t)text[i]);
}

/* ---- messages of the hub -------------------------------------------------------------------- */

/* INFO. slots: slot_count names, all different. */
static inline size_t imusic_encode_info(uint8_t *out, size_t capacity, uint32_t next_sequence,
                                        float rate_hz, float accel_range_m_s2,
                                        float gyro_range_rad_s, const char *device_id,
                                        const char *firmware, const char *const *slots,
                                        uint8_t slot_count, uint16_t features, uint8_t mode) {
    imusic_writer w;
    uint8_t i;
    imusic_begin(&w, out, capacity, IMUSIC_INFO);
    imusic_put_u8(&w, IMUSIC_PROTOCOL_VERSION);
    imusic_put_u32(&w, next_sequence);
    imusic_put_f32(&w, rate_hz);
    imusic_put_f32(&w, accel_range_m_s2);
    imusic_put_f32(&w, gyro_range_rad_s);
    imusic_put_text(&w, device_id);
    imusic_put_text(&w, firmware);
    imusic_put_u8(&w, slot_count);
    for (i = 0; i < slot_count; i++)
        imusic_put_text(&w, slots[i]);
    imusic_put_u16(&w, features);
    imusic_put_u8(&w, mode);
    return imusic_end(&w);
}

static inline size_t imusic_encode_tick(uint8_t *out, size_t capacity, uint8_t kind,
                                        uint32_t sequence, uint32_t tick_us, uint16_t mask,
                                        const int16_t *readings, int width) {
    imusic_writer w;
    int slot, i;
    imusic_begin(&w, out, capacity, kind);
    imusic_put_u32(&w, sequence);
    imusic_put_u32(&w, tick_us);
    imusic_put_u16(&w, mask);
    for (slot = 0; slot < IMUSIC_MAX_SLOTS; slot++)
        if (mask >> slot & 1)
            for (i = 0; i < width; i++)
                imusic_put_i16(&w, readings[slot * width + i]);
    return imusic_end(&w);
}

/*
 * SAMPLES. readings: 6 counts for every slot of the hub, absent ones too (they are not sent):
 * accel x y z, gyro x y z.
 */
static inline size_t imusic_encode_samples(uint8_t *out, size_t capacity, uint32_t sequence,
                                           uint32_t tick_us, uint16_t mask,
                                           const int16_t *readings) {
    return imusic_encode_tick(out, capacity, IMUSIC_SAMPLES, sequence, tick_us, mask, readings, 6);
}

/* SAMPLES_FUSED. readings: as above, but 7 a slot: quaternion w x y z in 1/32768, accel x y z. */
static inline size_t imusic_encode_samples_fused(uint8_t *out, size_t capacity, uint32_t sequence,
                                                 uint32_t tick_us, uint16_t mask,
                                                 const int16_t *readings) {
    return imusic_encode_tick(out, capacity, IMUSIC_SAMPLES_FUSED, sequence, tick_us, mask,
                              readings, 7);
}

/* STATUS. battery_percent may be IMUSIC_NO_BATTERY, temperature_cc IMUSIC_NO_TEMPERATURE. */
static inline size_t imusic_encode_status(uint8_t *out, size_t capacity, uint32_t tick_us,
                                          uint32_t samples_sent, uint8_t battery_percent,
                                          int16_t temperature_cc, uint16_t error_mask) {
    imusic_writer w;
    imusic_begin(&w, out, capacity, IMUSIC_STATUS);
    imusic_put_u32(&w, tick_us);
    imusic_put_u32(&w, samples_sent);
    imusic_put_u8(&w, battery_percent);
    imusic_put_i16(&w, temperature_cc);
    imusic_put_u16(&w, error_mask);
    return imusic_end(&w);
}

static inline size_t imusic_encode_end(uint8_t *out, size_t capacity, uint32_t samples_sent) {
    imusic_writer w;
    imusic_begin(&w, out, capacity, IMUSIC_END);
    imusic_put_u32(&w, samples_sent);
    return imusic_end(&w);
}

static inline size_t imusic_encode_pong(uint8_t *out, size_t capacity, uint32_t token,
                                        uint32_t tick_us) {
    imusic_writer w;
    imusic_begin(&w, out, capacity, IMUSIC_PONG);
    imusic_put_u32(&w, token);
    imusic_put_u32(&w, tick_us);
    return imusic_end(&w);
}

static inline size_t imusic_encode_answer(uint8_t *out, size_t capacity, uint8_t request,
                                          uint8_t command, uint8_t result) {
    imusic_writer w;
    imusic_begin(&w, out, capacity, IMUSIC_ANSWER);
    imusic_put_u8(&w, request);
    imusic_put_u8(&w, command);
    imusic_put_u8(&w, result);
    return imusic_end(&w);
}

/* SYNC: the tick of a rising edge that the hub made on its sync line. */
static inline size_t imusic_encode_sync(uint8_t *out, size_t capacity, uint8_t request,
                                        uint32_t tick_us) {
    imusic_writer w;
    imusic_begin(&w, out, capacity, IMUSIC_SYNC);
    imusic_put_u8(&w, request);
    imusic_put_u32(&w, tick_us);
    return imusic_end(&w);
}

/* ---- commands of the host ------------------------------------------------------------------- */

/* One command. Only the fields of its kind are set; the others are zero. */
typedef struct imusic_command {
    uint8_t kind;
    uint8_t request;        /* SET_RATE to SYNC_PULSE: comes back in the ANSWER */
    uint8_t complete;       /* the payload held every field of the kind */
    uint8_t mode;           /* SET_MODE */
    uint8_t slot;           /* IDENTIFY */
    uint16_t duration_ms;   /* IDENTIFY */
    uint16_t width_us;      /* SYNC_PULSE */
    uint32_t token;         /* PING */
    float rate_hz;          /* SET_RATE */
    float accel_range_m_s2; /* SET_RANGE */
    float gyro_range_rad_s; /* SET_RANGE */
} imusic_command;

/* What has arrived of the command under way. Zero it (or call imusic_reader_reset) before use. */
typedef struct imusic_reader {
    uint8_t buffer[IMUSIC_READER_BYTES];
    size_t size;
    uint8_t overlong;
} imusic_reader;

static inline void imusic_reader_reset(imusic_reader *r) {
    r->size = 0;
    r->overlong = 0;
}

/* COBS decoding in place; returns the size, or 0 where the bytes are not COBS. */
static inline size_t imusic_unstuff(uint8_t *bytes, size_t size) {
    size_t from = 0, to = 0;
    while (from < size) {
        uint8_t code = bytes[from++];
        uint8_t i;
        if (code == 0 || (size_t)(code - 1) > size - from)
            return 0;
        for (i = 1; i < code; i++)
            bytes[to++] = bytes[from++];
        if (code != 0xFF && from < size)
            bytes[to++] = 0;
    }
    return to;
}

static inline uint16_t imusic_get_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | (uint16_t)bytes[1] << 8);
}

static inline uint32_t imusic_get_u32(const uint8_t *bytes) {
    return imusic_get_u16(bytes) | (uint32_t)imusic_get_u16(bytes + 2) << 16;
}

static inline float imusic_get_f32(const uint8_t *bytes) {
    uint32_t bits = imusic_get_u32(bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline size_t imusic_payload_size(uint8_t kind) {
    switch (kind) {
    case IMUSIC_PING: return 4;
    case IMUSIC_SET_RATE: return 5;
    case IMUSIC_SET_RANGE: return 9;
    case IMUSIC_SET_MODE: return 2;
    case IMUSIC_IDENTIFY: return 4;
    case IMUSIC_SYNC_PULSE: return 3;
    default: return 0;
    }
}

/* Reads the payload of a command; bytes behind its fields are left to later versions. */
static inline void imusic_read_payload(imusic_command *c, const uint8_t *payload, size_t size) {
    if (c->kind > IMUSIC_PING && size > 0)
        c->request = payload[0];
    if (size < imusic_payload_size(c->kind))
        return;
    c->complete = 1;
    switch (c->kind) {
    case IMUSIC_PING:
        c->token = imusic_get_u32(payload);
        break;
    case IMUSIC_SET_RATE:
        c->rate_hz = imusic_get_f32(payload + 1);
        break;
    case IMUSIC_SET_RANGE:
        c->accel_range_m_s2 = imusic_get_f32(payload + 1);
        c->gyro_range_rad_s = imusic_get_f32(payload + 5);
        break;
    case IMUSIC_SET_MODE:
        c->mode = payload[1];
        break;
    case IMUSIC_IDENTIFY:
        c->slot = payload[1];
        c->duration_ms = imusic_get_u16(payload + 2);
        break;
    case IMUSIC_SYNC_PULSE:
        c->width_us = imusic_get_u16(payload + 1);
        break;
    default:
        break;
    }
}

/* An intact run of bytes between two zeros as a command; 0 where it is damaged or not a command. */
static inline int imusic_read_command(uint8_t *bytes, size_t size, imusic_command *out) {
    uint16_t crc = 0xFFFF;
    size_t i;
    size = imusic_unstuff(bytes, size);
    if (size < 3)
        return 0;
    for (i = 0; i < size - 2; i++)
        crc = imusic_crc(crc, bytes[i]);
    if (crc != imusic_get_u16(bytes + size - 2) || bytes[0] >= 0x80)
        return 0;
    memset(out, 0, sizeof *out);
    out->kind = bytes[0];
    imusic_read_payload(out, bytes + 1, size - 3);
    return 1;
}

/* Takes one byte from the host. Returns 1 when it completes a command, which is then in `out`. */
static inline int imusic_feed(imusic_reader *r, uint8_t byte, imusic_command *out) {
    int whole;
    if (byte != 0) {
        if (r->size < sizeof r->buffer)
            r->buffer[r->size++] = byte;
        else
            r->overlong = 1;
        return 0;
    }
    whole = !r->overlong && imusic_read_command(r->buffer, r->size, out);
    imusic_reader_reset(r);
    return whole;
}

/* ---- the conversation ----------------------------------------------------------------------- */

/*
 * What a hub is, and where its count stands. Fill it once, zeroed before: the functions may stay
 * NULL, which says that the hub cannot do that. Each returns one of the results above, and is
 * called only with values that make sense: finite and positive, a known mode, a slot that exists.
 */
typedef struct imusic_hub {
    const char *device_id; /* the same after every power-up */
    const char *firmware;
    const char *const *slots;
    uint8_t slot_count;
    float rate_hz;
    float accel_range_m_s2; /* the value of 32768 counts */
    float gyro_range_rad_s;
    uint8_t mode;
    uint8_t streaming;
    uint32_t samples_sent; /* since the last START; kept after STOP, so that END may be repeated */
    void *context;         /* yours */

    /* Each sets the field of the hub to what it truly became: INFO tells the host. */
    uint8_t (*set_rate)(struct imusic_hub *hub, float rate_hz);
    uint8_t (*set_range)(struct imusic_hub *hub, float accel_range_m_s2, float gyro_range_rad_s);
    uint8_t (*set_mode)(struct imusic_hub *hub, uint8_t mode);
    /* Blink or buzz; returns at once. slot may be IMUSIC_WHOLE_HUB. */
    uint8_t (*identify)(struct imusic_hub *hub, uint8_t slot, uint16_t duration_ms);
    /* Raises the sync line for width_us and says when it rose. */
    uint8_t (*sync_pulse)(struct imusic_hub *hub, uint16_t width_us, uint32_t *tick_us);
} imusic_hub;

static inline uint16_t imusic_features(const imusic_hub *hub) {
    return (uint16_t)(IMUSIC_CAN_PING | (hub->set_rate ? IMUSIC_CAN_SET_RATE : 0) |
                      (hub->set_range ? IMUSIC_CAN_SET_RANGE : 0) |
                      (hub->set_mode ? IMUSIC_CAN_SET_MODE : 0) |
                      (hub->identify ? IMUSIC_CAN_IDENTIFY : 0) |
                      (hub->sync_pulse ? IMUSIC_CAN_SYNC_PULSE : 0));
}

/* INFO as things stand: after power-up, and for every HELLO. */
static inline size_t imusic_hello(const imusic_hub *hub, uint8_t *out, size_t capacity) {
    uint32_t next = hub->streaming ? hub->samples_sent : 0; /* START will count from zero */
    return imusic_encode_info(out, capacity, next, hub->rate_hz, hub->accel_range_m_s2,
                              hub->gyro_range_rad_s, hub->device_id, hub->firmware, hub->slots,
                              hub->slot_count, imusic_features(hub), hub->mode);
}

/* False for NaN and the infinities too. */
static inline int imusic_is_positive(float value) { return value > 0.0f && value <= 3.4e38f; }

/* Obeys SET_RATE, SET_RANGE or SET_MODE. */
static inline uint8_t imusic_configure(imusic_hub *hub, const imusic_command *c) {
    int able = c->kind == IMUSIC_SET_RATE    ? hub->set_rate != NULL
               : c->kind == IMUSIC_SET_RANGE ? hub->set_range != NULL
                                             : hub->set_mode != NULL;
    if (!able)
        return IMUSIC_UNKNOWN_COMMAND;
    if (!c->complete)
        return IMUSIC_BAD_VALUE;
    if (hub->streaming) /* what is under way would be scaled wrongly if the new INFO were lost */
        return IMUSIC_BUSY_STREAMING;
    if (c->kind == IMUSIC_SET_RATE)
        return imusic_is_positive(c->rate_hz) ? hub->set_rate(hub, c->rate_hz) : IMUSIC_BAD_VALUE;
    if (c->kind == IMUSIC_SET_MODE)
        return c->mode <= IMUSIC_MODE_FUSED ? hub->set_mode(hub, c->mode) : IMUSIC_BAD_VALUE;
    if (!imusic_is_positive(c->accel_range_m_s2) || !imusic_is_positive(c->gyro_range_rad_s))
        return IMUSIC_BAD_VALUE;
    return hub->set_range(hub, c->accel_range_m_s2, c->gyro_range_rad_s);
}

static inline uint8_t imusic_identify(imusic_hub *hub, const imusic_command *c) {
    if (hub->identify == NULL)
        return IMUSIC_UNKNOWN_COMMAND;
    if (!c->complete || (c->slot >= hub->slot_count && c->slot != IMUSIC_WHOLE_HUB))
        return IMUSIC_BAD_VALUE;
    return hub->identify(hub, c->slot, c->duration_ms);
}

static inline uint8_t imusic_sync(imusic_hub *hub, const imusic_command *c, uint32_t *tick_us) {
    if (hub->sync_pulse == NULL)
        return IMUSIC_UNKNOWN_COMMAND;
    return c->complete && c->width_us > 0 ? hub->sync_pulse(hub, c->width_us, tick_us)
                                          : IMUSIC_BAD_VALUE;
}

/* An ANSWER and, where that is done, what follows from it: INFO or SYNC. */
static inline size_t imusic_answer_request(imusic_hub *hub, const imusic_command *c, uint8_t *out,
                                           size_t capacity) {
    uint32_t tick_us = 0;
    uint8_t result = IMUSIC_UNKNOWN_COMMAND;
    size_t size;
    if (c->kind >= IMUSIC_SET_RATE && c->kind <= IMUSIC_SET_MODE)
        result = imusic_configure(hub, c);
    else if (c->kind == IMUSIC_IDENTIFY)
        result = imusic_identify(hub, c);
    else if (c->kind == IMUSIC_SYNC_PULSE)
        result = imusic_sync(hub, c, &tick_us);
    size = imusic_encode_answer(out, capacity, c->request, c->kind, result);
    if (size == 0 || result != IMUSIC_DONE || c->kind == IMUSIC_IDENTIFY)
        return size;
    if (c->kind == IMUSIC_SYNC_PULSE)
        return size + imusic_encode_sync(out + size, capacity - size, c->request, tick_us);
    return size + imusic_hello(hub, out + size, capacity - size);
}

/*
 * Obeys one command and writes what the host is to hear.
 *
 * tick_us: the device clock now; for a PING read it as late as you can before calling. It is the
 * time between PING and PONG that counts, so send the answer before anything that waits.
 */
static inline size_t imusic_answer(imusic_hub *hub, const imusic_command *c, uint32_t tick_us,
                                   uint8_t *out, size_t capacity) {
    switch (c->kind) {
    case IMUSIC_HELLO:
        return imusic_hello(hub, out, capacity);
    case IMUSIC_START:
        if (!hub->streaming)
            hub->samples_sent = 0;
        hub->streaming = 1;
        return 0;
    case IMUSIC_STOP:
        hub->streaming = 0;
        return imusic_encode_end(out, capacity, hub->samples_sent);
    case IMUSIC_PING:
        return c->complete ? imusic_encode_pong(out, capacity, c->token, tick_us) : 0;
    default:
        return imusic_answer_request(hub, c, out, capacity);
    }
}

/*
 * The next sample, in the hub's mode; readings are 6 (raw) or 7 (fused) a slot, for every slot.
 * It takes its number also where you then fail to send it: the host must see that it is missing.
 */
static inline size_t imusic_next_sample(imusic_hub *hub, uint32_t tick_us, uint16_t mask,
                                        const int16_t *readings, uint8_t *out, size_t capacity) {
    uint32_t sequence = hub->samples_sent++;
    if (hub->mode == IMUSIC_MODE_FUSED)
        return imusic_encode_samples_fused(out, capacity, sequence, tick_us, mask, readings);
    return imusic_encode_samples(out, capacity, sequence, tick_us, mask, readings);
}

static inline size_t imusic_status(const imusic_hub *hub, uint32_t tick_us,
                                   uint8_t battery_percent, int16_t temperature_cc,
                                   uint16_t error_mask, uint8_t *out, size_t capacity) {
    return imusic_encode_status(out, capacity, tick_us, hub->samples_sent, battery_percent,
                                temperature_cc, error_mask);
}

#ifdef __cplusplus
}
#endif

#endif /* IMUSIC_HUB_H */
