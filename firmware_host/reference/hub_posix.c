/*
 * A whole hub that runs on a computer: commands on standard input, frames on standard output.
 *
 *   cc -std=c99 -O2 hub_posix.c -o hub_posix -lm
 *   ./hub_posix [samples [first_tick_us [fast]]]
 *
 * It shows how imusic_hub.h is used, and stands in for a hub in the tests, on a pty or a pipe. Its
 * three sensors turn around their own x axis under gravity, slot i at (i + 1) / 2 rad/s from level;
 * every 50th tick the last one gives nothing. It ends after `samples` ticks (600; 0: never) or when
 * the host is gone. `fast` makes it stream as fast as it is read, with a clock that goes along.
 *
 * What is different on a microcontroller: read_clock_us, the readings, and how bytes come and go.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imusic_hub.h"

#define SLOTS 3
#define GRAVITY 9.80665f
#define FULL_SCALE 32768.0f

static const char *const slot_names[SLOTS] = {"frontalis_left", "mentalis", "head_reference"};

/* Where this hub stands; a microcontroller would keep its buses and pins here. */
typedef struct machine {
    uint32_t first_tick_us;
    uint64_t began_us;
    uint64_t fast_us; /* the clock of a hub that does not wait */
    int fast;
    int deaf; /* no more commands will come */
    uint64_t next_sample_us; /* in µs since it began */
    uint64_t next_status_us;
    uint16_t failing; /* slots that gave nothing at some tick since the last STATUS */
} machine;

static uint64_t read_clock_us(const machine *m) {
    struct timespec now;
    if (m->fast)
        return m->fast_us;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u - m->began_us;
}

static uint32_t tick_at(const machine *m, uint64_t us) { return m->first_tick_us + (uint32_t)us; }

/* ---- what this hub can be asked ------------------------------------------------------------- */

static uint8_t set_rate(imusic_hub *hub, float rate_hz) {
    static const float possible[] = {50.0f, 100.0f, 200.0f, 400.0f, 1000.0f};
    float best = possible[0];
    size_t i;
    for (i = 1; i < sizeof possible / sizeof possible[0]; i++)
        if (fabsf(possible[i] - rate_hz) < fabsf(best - rate_hz))
            best = possible[i];
    hub->rate_hz = best;
    return IMUSIC_DONE;
}

/* The smallest range of the sensor that holds what is wanted, as on most IMU chips. */
static uint8_t set_range(imusic_hub *hub, float accel_range_m_s2, float gyro_range_rad_s) {
    float accel = 2.0f * GRAVITY, gyro = 4.36332313f; /* 250 deg/s */
    while (accel < accel_range_m_s2)
        accel *= 2.0f;
    while (gyro < gyro_range_rad_s)
        gyro *= 2.0f;
    if (accel > 16.0f * GRAVITY || gyro > 34.9065850f)
        return IMUSIC_BAD_VALUE;
    hub->accel_range_m_s2 = accel;
    hub->gyro_range_rad_s = gyro;
    return IMUSIC_DONE;
}

static uint8_t set_mode(imusic_hub *hub, uint8_t mode) {
    hub->mode = mode;
    return IMUSIC_DONE;
}

static uint8_t sync_pulse(imusic_hub *hub, uint16_t width_us, uint32_t *tick_us) {
    const machine *m = (const machine *)hub->context;
    (void)width_us; /* no pin to raise here */
    *tick_us = tick_at(m, read_clock_us(m));
    return IMUSIC_DONE;
}

/* ---- the sensors ---------------------------------------------------------------------------- */

static int16_t counts(float value, float range) {
    float scaled = roundf(value * FULL_SCALE / range);
    return (int16_t)(scaled > 32767.0f ? 32767.0f : scaled < -32768.0f ? -32768.0f : scaled);
}

/* Fills 6 or 7 readings a slot and returns the mask of the slots that gave one. */
static uint16_t read_sensors(const imusic_hub *hub, uint64_t us, int16_t *readings) {
    int slot;
    for (slot = 0; slot < SLOTS; slot++) {
        float rate = 0.5f * (float)(slot + 1);
        float angle = (float)fmod((double)rate * (double)us * 1e-6, 6.283185307179586);
        float accel[3] = {0.0f, GRAVITY * sinf(angle), GRAVITY * cosf(angle)};
        int i;
        if (hub->mode == IMUSIC_MODE_FUSED) {
            *readings++ = counts(cosf(0.5f * angle), 1.0f);
            *readings++ = counts(sinf(0.5f * angle), 1.0f);
            *readings++ = 0;
            *readings++ = 0;
        }
        for (i = 0; i < 3; i++)
            *readings++ = counts(accel[i], hub->accel_range_m_s2);
        if (hub->mode == IMUSIC_MODE_RAW) {
            *readings++ = counts(rate, hub->gyro_range_rad_s);
            *readings++ = 0;
            *readings++ = 0;
        }
    }
    return hub->samples_sent % 50 == 49 ? 0x3 : 0x7;
}

/* ---- the line ------------------------------------------------------------------------------- */

static void send_all(const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = write(STDOUT_FILENO, bytes, size);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            exit(0); /* the host is gone */
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Obeys what arrives within `timeout_ms`, -1 for ever. Exits where the host is gone. */
static void listen_for(imusic_hub *hub, imusic_reader *reader, int timeout_ms) {
    struct pollfd line = {STDIN_FILENO, POLLIN, 0};
    machine *m = (machine *)hub->context;
    uint8_t in[256], out[IMUSIC_MAX_ANSWER];
    imusic_command command;
    ssize_t size, i;
    if (m->deaf && !hub->streaming)
        exit(0);
    if (poll(&line, m->deaf ? 0 : 1, timeout_ms) <= 0)
        return;
    size = read(STDIN_FILENO, in, sizeof in);
    if (size < 0 && errno == EINTR)
        return;
    if (size < 0)
        exit(0);
    m->deaf = size == 0; /* a pipe that was closed; what was asked for is still sent */
    for (i = 0; i < size; i++)
        if (imusic_feed(reader, in[i], &command))
            send_all(out, imusic_answer(hub, &command, tick_at(m, read_clock_us(m)), out,
                                        sizeof out));
}

static void send_due(imusic_hub *hub, machine *m) {
    int16_t readings[SLOTS * 7];
    uint8_t out[IMUSIC_MAX_FRAME];
    uint64_t now_us;
    if (m->fast)
        m->fast_us = m->next_sample_us;
    now_us = read_clock_us(m);
    if (now_us < m->next_sample_us)
        return;
    uint16_t mask = read_sensors(hub, now_us, readings);
    send_all(out, imusic_next_sample(hub, tick_at(m, now_us), mask, readings, out, sizeof out));
    m->next_sample_us += (uint64_t)(1e6f / hub->rate_hz);
    m->failing |= (uint16_t)(0x7 & ~mask);
    if (now_us >= m->next_status_us) {
        m->next_status_us = now_us + 1000000u;
        send_all(out, imusic_status(hub, tick_at(m, now_us), IMUSIC_NO_BATTERY, 2350, m->failing,
                                    out, sizeof out));
        m->failing = 0;
    }
}

static int wait_ms(const imusic_hub *hub, const machine *m) {
    uint64_t now_us = read_clock_us(m);
    if (!hub->streaming)
        return -1;
    if (m->fast || m->next_sample_us <= now_us)
        return 0;
    return (int)((m->next_sample_us - now_us + 999u) / 1000u);
}

int main(int argc, char **argv) {
    uint32_t samples = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 600;
    machine m;
    imusic_hub hub;
    imusic_reader reader;
    uint8_t out[IMUSIC_MAX_FRAME];
    int streamed = 0;

    memset(&m, 0, sizeof m);
    m.first_tick_us = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    m.fast = argc > 3;
    m.began_us = read_clock_us(&m);

    memset(&hub, 0, sizeof hub);
    hub.device_id = "posix-example";
    hub.firmware = "hub_posix 1.0";
    hub.slots = slot_names;
    hub.slot_count = SLOTS;
    hub.rate_hz = 200.0f;
    hub.context = &m;
    set_range(&hub, 8.0f * GRAVITY, 17.4532925f);
    hub.set_rate = set_rate;
    hub.set_range = set_range;
    hub.set_mode = set_mode;
    hub.sync_pulse = sync_pulse; /* no lamp, so no identify */

    imusic_reader_reset(&reader);
    send_all(out, imusic_hello(&hub, out, sizeof out));
    while (!streamed || hub.streaming) {
        int was = hub.streaming;
        listen_for(&hub, &reader, wait_ms(&hub, &m));
        if (hub.streaming && !was) {
            streamed = 1;
            m.next_sample_us = read_clock_us(&m);
            m.next_status_us = m.next_sample_us + 1000000u;
        }
        if (!hub.streaming)
            continue;
        send_due(&hub, &m);
        if (samples != 0 && hub.samples_sent == samples) {
            hub.streaming = 0;
            send_all(out, imusic_encode_end(out, sizeof out, hub.samples_sent));
        }
    }
    return 0;
}
