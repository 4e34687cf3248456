/*
 * Holds imusic_hub.h against golden.txt, and answers the Python tests line by line.
 *
 *   reference_check golden FILE    every message of FILE encoded (or, commands, decoded) here
 *   reference_check lines          "e KIND HEX" gives the frame; "f HEX" feeds bytes and gives the
 *                                  commands that they complete; one line of answer each
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imusic_hub.h"

#define MAX_FIELDS 16
#define MAX_LINE 8192

static char names[MAX_FIELDS][32], values[MAX_FIELDS][MAX_LINE];
static int fields;

static const char *field(const char *name) {
    int i;
    for (i = 0; i < fields; i++)
        if (strcmp(names[i], name) == 0)
            return values[i];
    fprintf(stderr, "field %s is missing\n", name);
    exit(2);
}

static uint32_t number(const char *name) { return (uint32_t)strtoll(field(name), NULL, 10); }
static float real(const char *name) { return strtof(field(name), NULL); }

static size_t read_hex(const char *text, uint8_t *out, size_t capacity) {
    size_t size = 0;
    unsigned byte;
    int used;
    while (size < capacity && sscanf(text, " %2x%n", &byte, &used) == 1) {
        out[size++] = (uint8_t)byte;
        text += used;
    }
    return size;
}

static void print_hex(const uint8_t *bytes, size_t size) {
    size_t i;
    for (i = 0; i < size; i++)
        printf("%02x", (unsigned)bytes[i]);
    putchar('\n');
    fflush(stdout);
}

/* The readings of the slots in the mask, spread out to every slot. */
static void spread(int16_t *readings, uint16_t mask, int width) {
    const char *text = field("readings");
    int slot, i, used, value;
    memset(readings, 0, sizeof(int16_t) * IMUSIC_MAX_SLOTS * 7);
    for (slot = 0; slot < IMUSIC_MAX_SLOTS; slot++)
        for (i = 0; (mask >> slot & 1) && i < width; i++) {
            if (sscanf(text, "%d%n", &value, &used) != 1)
                exit(2);
            readings[slot * width + i] = (int16_t)value;
            text += used;
        }
}

static size_t encode_tick(uint8_t *out, int width) {
    int16_t readings[IMUSIC_MAX_SLOTS * 7];
    uint16_t mask = (uint16_t)number("mask");
    spread(readings, mask, width);
    return (width == 6 ? imusic_encode_samples : imusic_encode_samples_fused)(
        out, IMUSIC_MAX_FRAME, number("sequence"), number("tick_us"), mask, readings);
}

static size_t encode_info(uint8_t *out) {
    static char text[MAX_LINE];
    const char *slots[IMUSIC_MAX_SLOTS];
    uint8_t count = 0;
    char *name;
    strcpy(text, field("slots"));
    for (name = strtok(text, " "); name && count < IMUSIC_MAX_SLOTS; name = strtok(NULL, " "))
        slots[count++] = name;
    return imusic_encode_info(out, IMUSIC_MAX_FRAME, number("next_sequence"), real("rate_hz"),
                              real("accel_range_m_s2"), real("gyro_range_rad_s"),
                              field("device_id"), field("firmware"), slots, count,
                              (uint16_t)number("features"), (uint8_t)number("mode"));
}

/* The size of the encoded message, or 0 where `kind` is a command. */
static size_t encode(const char *kind, uint8_t *out) {
    if (strcmp(kind, "info") == 0)
        return encode_info(out);
    if (strcmp(kind, "samples") == 0)
        return encode_tick(out, 6);
    if (strcmp(kind, "samples_fused") == 0)
        return encode_tick(out, 7);
    if (strcmp(kind, "status") == 0)
        return imusic_encode_status(out, IMUSIC_MAX_FRAME, number("tick_us"),
                                    number("samples_sent"), (uint8_t)number("battery_percent"),
                                    (int16_t)(int32_t)number("temperature_hundredths"),
                                    (uint16_t)number("error_mask"));
    if (strcmp(kind, "end") == 0)
        return imusic_encode_end(out, IMUSIC_MAX_FRAME, number("samples_sent"));
    if (strcmp(kind, "pong") == 0)
        return imusic_encode_pong(out, IMUSIC_MAX_FRAME, number("token"), number("tick_us"));
    if (strcmp(kind, "answer") == 0)
        return imusic_encode_answer(out, IMUSIC_MAX_FRAME, (uint8_t)number("request"),
                                    (uint8_t)number("command"), (uint8_t)number("result"));
    if (strcmp(kind, "sync") == 0)
        return imusic_encode_sync(out, IMUSIC_MAX_FRAME, (uint8_t)number("request"),
                                  number("tick_us"));
    return 0;
}

static int is_command(const char *kind, const imusic_command *c) {
    if (strcmp(kind, "hello") == 0)
        return c->kind == IMUSIC_HELLO;
    if (strcmp(kind, "start") == 0)
        return c->kind == IMUSIC_START;
    if (strcmp(kind, "stop") == 0)
        return c->kind == IMUSIC_STOP;
    if (strcmp(kind, "ping") == 0)
        return c->kind == IMUSIC_PING && c->token == number("token");
    if (c->request != number("request"))
        return 0;
    if (strcmp(kind, "set_rate") == 0)
        return c->kind == IMUSIC_SET_RATE && c->rate_hz == real("rate_hz");
    if (strcmp(kind, "set_range") == 0)
        return c->kind == IMUSIC_SET_RANGE && c->accel_range_m_s2 == real("accel_range_m_s2") &&
               c->gyro_range_rad_s == real("gyro_range_rad_s");
    if (strcmp(kind, "set_mode") == 0)
        return c->kind == IMUSIC_SET_MODE && c->mode == number("mode");
    if (strcmp(kind, "identify") == 0)
        return c->kind == IMUSIC_IDENTIFY && c->slot == number("slot") &&
               c->duration_ms == number("duration_ms");
    return strcmp(kind, "sync_pulse") == 0 && c->kind == IMUSIC_SYNC_PULSE &&
           c->width_us == number("width_us");
}

static int decoded(const char *kind, const uint8_t *wire, size_t size) {
    imusic_reader reader;
    imusic_command command;
    size_t i;
    int whole = 0;
    imusic_reader_reset(&reader);
    for (i = 0; i < size; i++)
        whole += imusic_feed(&reader, wire[i], &command);
    return whole == 1 && command.complete && is_command(kind, &command);
}

/* 1 where this side agrees with the paragraph that was read. */
static int agrees(void) {
    uint8_t wire[IMUSIC_MAX_FRAME + 1], out[IMUSIC_MAX_FRAME];
    const char *kind = field("kind");
    size_t size = read_hex(field("wire"), wire, sizeof wire);
    size_t ours = encode(kind, out);
    if (ours == 0)
        return decoded(kind, wire, size);
    return ours == size && memcmp(out, wire, size) == 0;
}

static int check_golden(const char *path) {
    static char line[MAX_LINE];
    int checked = 0, wrong = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return 2;
    while (fgets(line, sizeof line, file)) {
        char *space = strchr(line, ' ');
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0)
            continue;
        if (!space || fields == MAX_FIELDS)
            return 2;
        *space = 0;
        strncpy(names[fields], line, sizeof names[fields] - 1);
        strcpy(values[fields++], space + 1);
        if (strcmp(line, "wire") != 0)
            continue;
        checked++;
        if (!agrees()) {
            wrong++;
            printf("message %d (%s) differs\n", checked, field("kind"));
        }
        fields = 0;
    }
    fclose(file);
    printf("%d checked, %d differ\n", checked, wrong);
    return wrong != 0;
}

static void wrap(const char *text) {
    uint8_t payload[MAX_LINE / 2], out[IMUSIC_MAX_FRAME];
    imusic_writer w;
    char *rest;
    unsigned long kind = strtoul(text, &rest, 16);
    size_t size = read_hex(rest, payload, sizeof payload), i;
    imusic_begin(&w, out, sizeof out, (uint8_t)kind);
    for (i = 0; i < size; i++)
        imusic_put_u8(&w, payload[i]);
    print_hex(out, imusic_end(&w));
}

static void feed(imusic_reader *reader, const char *text) {
    static uint8_t bytes[MAX_LINE / 2];
    imusic_command c;
    size_t size = read_hex(text, bytes, sizeof bytes), i;
    for (i = 0; i < size; i++)
        if (imusic_feed(reader, bytes[i], &c))
            printf("%u:%u:%u ", (unsigned)c.kind, (unsigned)c.request, (unsigned)c.complete);
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char **argv) {
    static char line[MAX_LINE];
    static imusic_reader reader;
    if (argc == 3 && strcmp(argv[1], "golden") == 0)
        return check_golden(argv[2]);
    if (argc != 2 || strcmp(argv[1], "lines") != 0)
        return 2;
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 'e')
            wrap(line + 1);
        else
            feed(&reader, line + 1);
    }
    return 0;
}
